import { listBackups, type UnreadableBackup } from '../../catalog/backups.js'
import { BackupError } from '../../errors.js'
import { describeError, Exit, exitCode, failure } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { failedLine, toJsonLine } from '../json.js'
import { type CommonValues, toPlaceOptions } from '../options.js'
import { Output, say } from '../output.js'
import { chooseStore, describeStore, isStoreThere } from '../store.js'

/** `ibt list`. */
export async function runList(key: string | undefined, values: CommonValues, signal: AbortSignal): Promise<number> {
  const output = new Output()
  let isEmpty = true
  let code: number = Exit.done
  let error: BackupError | undefined
  for await (const backup of listBackups(key, toPlaceOptions(values, signal))) {
    isEmpty = false
    if (backup.error !== undefined) {
      error ??= backup.error
      code = exitCode(error)
      await output.write(values.json ? toJsonLine(backup) : `${describeUnreadable(backup)}\n`)
      continue
    }
    const { date, kind, parent, storedBytes, totals } = backup
    const columns = [
      backup.key.padEnd(16),
      date,
      kind.padEnd(11),
      formatCount(totals.files, 'file').padStart(16),
      formatBytes(totals.sizeBytes).padStart(9),
      `${formatBytes(storedBytes).padStart(9)} stored`,
      parent === undefined ? '' : `on ${parent}`
    ]
    await output.write(values.json ? toJsonLine(backup) : `${columns.join('  ').trimEnd()}\n`)
  }
  if (error !== undefined && values.json) await output.write(failedLine(failure(error, code), code))
  await output.end()
  if (!isEmpty) return code
  if (key !== undefined) throw new BackupError('IBT_NO_BACKUP', `No backup of ${key}`, { path: key })
  const store = chooseStore(values)
  if (!(await isStoreThere(store))) throw new BackupError('IBT_NO_BACKUP', 'No backup')
  if (!values.quiet) say(`ibt: No backup in ${await describeStore(store)}\n`)
  return Exit.done
}

function describeUnreadable({ key, date, kind, error }: UnreadableBackup): string {
  return `${key.padEnd(16)}  ${date}  ${kind.padEnd(11)}  unreadable: ${describeError(error)}`
}
