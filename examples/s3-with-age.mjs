// A bucket that can read nothing: backups to S3, encrypted to two public keys, signed, and kept for a while.
//   AWS_PROFILE=backup node s3-with-age.mjs SOURCE BUCKET KEYS RECIPIENTS SIGN_KEY
// KEYS is this machine's file of age-keygen. RECIPIENTS has its public key and a recovery key (age1…), one a line; the file
// of that key is kept elsewhere:
//   ibt restore KEY /restored --store s3://BUCKET/backups --identity recovery.txt --verify-key verify.pem
import { readFile } from 'node:fs/promises'
import { autoBackup, pruneBackups } from 'incremental-backups-tools'
import { age, readIdentities, readRecipients } from 'incremental-backups-tools/age'
import { retrying } from 'incremental-backups-tools/stores'
import { s3Store } from 'incremental-backups-tools/stores/s3'

const [source, bucket, keys, recipientsFile, signKeyFile] = process.argv.slice(2)

const cipher = age({ identities: await readIdentities(keys), recipients: await readRecipients(recipientsFile) })

// Credentials and region come from where every tool of AWS finds them. Archives may be cold, states are read every day.
const store = retrying(
  s3Store({
    bucket,
    prefix: 'backups',
    endpoint: process.env.S3_ENDPOINT,
    storageClass: { full: 'STANDARD_IA', created: 'STANDARD_IA', updated: 'STANDARD_IA' }
  })
)
const signKey = await readFile(signKeyFile, 'utf8')

const { key, date, kind, storedBytes, skippedEntries } = await autoBackup(source, {
  store,
  encrypt: cipher,
  signKey,
  maxChain: 30,
  onError: error => console.error(error.message)
})
console.log(`${kind} backup of ${key}, ${date}: ${storedBytes} bytes stored`)
await pruneBackups(key, { store, codecs: [cipher], signKey, keepDaily: 7, keepWeekly: 4, keepMonthly: 12 })
if (skippedEntries > 0) process.exitCode = 3
