import { printPath } from '../../path.js'
import { backupStats, type DayStats, type KeyStats } from '../../plan/backup-stats.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { describeError, Exit, exitCode } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { toJsonLine } from '../json.js'
import { Output } from '../output.js'
import { tableLines } from '../table.js'

/** `ibt stats`. */
export async function runStats(key: string, values: CommonValues, signal: AbortSignal): Promise<number> {
  const output = new Output()
  const days: DayStats[] = []
  const stats = backupStats(key, toPlaceOptions(values, signal))
  let next = await stats.next()
  for (; !next.done; next = await stats.next()) {
    if (values.json) await output.write(toJsonLine(next.value))
    else days.push(next.value)
  }
  const sums = next.value
  const code = sums.error === undefined ? Exit.done : exitCode(sums.error)
  const text = () => [...describeDays(days), '', ...describeSums(sums)].map(line => `${line}\n`).join('')
  await output.write(values.json ? toJsonLine({ event: 'report', exitCode: code, ...sums }) : text())
  await output.end()
  return code
}

const COLUMNS = ['backups', 'stored', 'source', 'files', 'chain', 'archives', 'of'].map(title => ({ title }))

function describeDays(days: readonly DayStats[]): string[] {
  const rows = days.map(({ day, backups, fulls, storedBytes, newest, unreadable }) => {
    const figures =
      newest === undefined
        ? ['-', '-', '-', '-', '-']
        : [
            formatBytes(newest.sourceBytes),
            newest.files.toLocaleString('en'),
            String(newest.increments),
            String(newest.archives),
            formatBytes(newest.archiveBytes)
          ]
    const note = [fulls > 0 && 'full', unreadable > 0 && `${unreadable} unreadable`].filter(Boolean).join(', ')
    return [day, String(backups), formatBytes(storedBytes), ...figures, note]
  })
  return tableLines([{ title: 'day', isText: true }, ...COLUMNS, { title: '', isText: true }], rows)
}

function describeSums({ key, days, backups, fulls, storedBytes, restore, largest, error }: KeyStats): string[] {
  const fullCount = formatCount(fulls, 'full')
  const lines = [
    `${key}: ${formatCount(backups, 'backup')} on ${formatCount(days, 'day')}, ${fullCount}, ${formatBytes(storedBytes)} stored`
  ]
  if (error !== undefined) lines.push(`The newest backup cannot be restored: ${describeError(error)}`)
  if (restore !== undefined) {
    const { readBytes, archives, requests, fullBytes } = restore
    const reads = `${formatBytes(readBytes)} of ${formatCount(archives.length, 'archive')} with ${formatCount(requests, 'request')}`
    lines.push(`A restore of the newest reads ${reads}; a fresh full would have about ${formatBytes(fullBytes)}`)
  }
  if (largest.length > 0) lines.push('Largest changes since the full, before compression:')
  for (const { path, storedBytes, deltas } of largest) {
    const what = deltas === 0 ? 'whole' : formatCount(deltas, 'delta')
    lines.push(`  ${formatBytes(storedBytes).padStart(9)}  ${printPath(path)} (${what})`)
  }
  return lines
}
