import { listBackups, type UnreadableBackup } from '../../catalog/backups.js'
import { compareBackups } from '../../catalog/changes.js'
import { listEntries } from '../../catalog/entries.js'
import { BackupError } from '../../errors.js'
import { printPath } from '../../path.js'
import type { ChangeKind, StateEntry } from '../../types.js'
import { describeError, Exit, exitCode, failure } from '../exit.js'
import { formatBytes, formatCount, formatMode, formatTime } from '../format.js'
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

/** `ibt ls`. */
export async function runLs(key: string, values: CommonValues & { at?: string }, signal: AbortSignal): Promise<number> {
  const output = new Output()
  for await (const entry of listEntries(key, { ...toPlaceOptions(values, signal), at: values.at })) {
    await output.write(values.json ? toJsonLine(entry) : `${describeEntry(entry)}\n`)
  }
  await output.end()
  return Exit.done
}

function describeEntry(entry: StateEntry): string {
  const { type, mode, uid, gid, uname = String(uid), gname = String(gid), sizeBytes, mtimeNs, path, linkname } = entry
  const size = sizeBytes === undefined ? '-' : String(sizeBytes)
  const flags = [entry.dirty && 'dirty', entry.carried && 'carried'].filter(Boolean).join(' ')
  const columns = [
    formatMode(type, mode),
    `${uname} ${gname}`.padEnd(12),
    size.padStart(12),
    formatTime(mtimeNs),
    printPath(path)
  ]
  return columns.join('  ') + (linkname === undefined ? '' : ` -> ${printPath(linkname)}`) + (flags && `  (${flags})`)
}

const LETTERS: Readonly<Record<ChangeKind, string>> = {
  created: '+',
  deleted: '-',
  updated: 'M',
  touched: 'm',
  unchanged: ' '
}

/** `ibt diff`. */
export async function runDiff(
  key: string,
  values: CommonValues & { from?: string; to?: string },
  signal: AbortSignal
): Promise<number> {
  const output = new Output()
  const { from, to } = values
  const changes = compareBackups(key, { ...toPlaceOptions(values, signal), from, to })
  let next = await changes.next()
  for (; !next.done; next = await changes.next()) {
    const { change, path, type, sizeBytes } = next.value
    const line = `${LETTERS[change]} ${printPath(path)}${type === 'directory' ? '/' : ''}\n`
    await output.write(values.json ? toJsonLine({ change, path, type, sizeBytes }) : line)
  }
  await output.end()
  const compared = next.value
  if (compared.from === compared.to && !values.quiet) {
    say(`ibt: The backup of ${compared.to} was compared with itself: ibt list ${key} shows others\n`)
  }
  return Exit.done
}
