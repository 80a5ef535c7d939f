export { type AgeOptions, age } from './cipher.js'
export {
  parseIdentities,
  parsePassphrase,
  parseRecipients,
  readIdentities,
  readPassphrase,
  readRecipients
} from './key-files.js'
