export { type AgeOptions, age } from './cipher.js'
export { readIdentities, readPassphrase, readRecipients } from './key-files.js'
