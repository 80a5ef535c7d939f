import { type BackupSummary, listBackups, type UnreadableBackup } from '../../catalog/backups.js'
import { BackupError } from '../../errors.js'
import type { Totals } from '../../types.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { describeError, Exit, exitCode, failure } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { failedLine } from '../json.js'
import { Listing, type ListingValues } from '../listing.js'
import { Output, say } from '../output.js'
import { BACKUP_COLUMNS } from '../rows.js'
import { chooseStore, describeStore, isStoreThere } from '../store.js'

/** `ibt list`. */
export async function runList(
  key: string | undefined,
  values: CommonValues & ListingValues,
  signal: AbortSignal
): Promise<number> {
  const output = new Output()
  const listing = new Listing<Listed>(output, values, BACKUP_COLUMNS, describe)
  let error: BackupError | undefined
  for await (const backup of listBackups(key, toPlaceOptions(values, signal))) {
    error ??= backup.error
    await listing.write(backup)
  }
  const code = error === undefined ? Exit.done : exitCode(error)
  if (error !== undefined && values.json) await output.write(failedLine(failure(error, code), code))
  await listing.end()
  if (listing.isEmpty) await sayNoBackup(key, values)
  return code
}

/** What a listing without a backup says. @throws BackupError IBT_NO_BACKUP if a key or a store was named that is not there */
export async function sayNoBackup(key: string | undefined, values: CommonValues): Promise<void> {
  if (key !== undefined) throw new BackupError('IBT_NO_BACKUP', `No backup of ${key}`, { path: key })
  const store = chooseStore(values)
  if (!(await isStoreThere(store))) throw new BackupError('IBT_NO_BACKUP', 'No backup')
  if (!values.quiet) say(`ibt: No backup in ${await describeStore(store)}\n`)
}

type Listed = BackupSummary | UnreadableBackup

function describe(backup: Listed): string {
  const { key, date, kind, storedBytes, totals, parent, error } = backup
  const start = [key.padEnd(16), date, kind.padEnd(11)]
  if (error !== undefined) return [...start, `unreadable: ${describeError(error)}`].join('  ')
  const columns = [
    ...start,
    formatCount(totals.files, 'file').padStart(16),
    formatBytes(totals.sizeBytes).padStart(9),
    `${formatBytes(storedBytes).padStart(9)} stored`,
    parent === undefined ? '' : `on ${parent}`,
    describeLosses(totals)
  ]
  return columns.filter(column => column !== '').join('  ')
}

function describeLosses({ unreadable, dirty }: Totals): string {
  const lost = [unreadable > 0 && `${unreadable} unreadable`, dirty > 0 && `${dirty} changed while read`]
  return lost.filter(Boolean).join(', ')
}
