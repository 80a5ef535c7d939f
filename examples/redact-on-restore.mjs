// A restore for developers: the addresses in every CSV are masked on the way, and the backup stays as it is.
//   node redact-on-restore.mjs KEY STORE DESTINATION
import { compose, restoreBackup } from 'incremental-backups-tools'
import { mapRecords } from 'incremental-backups-tools/interop'
import { mapContents } from 'incremental-backups-tools/stages'

const [key, store, destination] = process.argv.slice(2)

const mask = mapRecords(row => row.replace(/[\w.+-]+@[\w-]+\.[\w.]+/g, 'user@example.org'), { quote: '"' })
// Files of any size: a masked content of more than 8 MiB waits in a file without a name.
const redact = mapContents(({ path }) => (path.endsWith('.csv') ? mask : undefined))

const report = await restoreBackup(key, destination, {
  store,
  paths: ['*.csv', '*.json'],
  // `patch` makes contents and proves their SHA-256; what is masked comes behind it.
  stages: d => ({ patch: compose(d.patch, redact) })
})
console.log(`${report.files} files of ${report.date}`)
if (report.skippedEntries > 0) process.exitCode = 3
