import { compareBackups } from '../../catalog/changes.js'
import { printPath } from '../../path.js'
import type { Change, ChangeKind } from '../../types.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import type { DiffLine } from '../events.js'
import { Exit, UsageError } from '../exit.js'
import { toJsonLine } from '../json.js'
import { Output, say } from '../output.js'

interface DiffValues extends CommonValues {
  readonly from?: string
  readonly to?: string
  readonly long?: boolean
}

/** `ibt diff`. */
export async function runDiff(
  key: string,
  dates: readonly string[],
  values: DiffValues,
  signal: AbortSignal
): Promise<number> {
  const output = new Output()
  const changes = compareBackups(key, { ...toPlaceOptions(values, signal), ...chosenDates(dates, values) })
  let next = await changes.next()
  for (; !next.done; next = await changes.next()) await output.write(changeLine(next.value, values))
  await output.end()
  const compared = next.value
  if (compared.from === compared.to && !values.quiet) {
    say(`ibt: The backup of ${compared.to} was compared with itself: ibt list ${key} shows others\n`)
  }
  return Exit.done
}

/** @throws UsageError */
function chosenDates(dates: readonly string[], { from, to }: DiffValues): { from?: string; to?: string } {
  if (dates.length === 0) return { ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
  if (from !== undefined || to !== undefined)
    throw new UsageError('Give the dates either by themselves or with --from and --to')
  if (dates.length !== 2) throw new UsageError('Give two dates, the older and the newer backup, or none')
  return { from: dates[0]!, to: dates[1]! }
}

const LETTERS: Readonly<Record<ChangeKind, string>> = {
  created: '+',
  deleted: '-',
  updated: 'M',
  touched: 'm',
  unchanged: '='
}

/** The letter of a change. */
export function changeLetter(change: ChangeKind): string {
  return LETTERS[change]
}

/** One difference as a line. */
export function changeLine(
  item: Change,
  { json = false, long = false }: { json?: boolean | undefined; long?: boolean | undefined }
): string {
  const { change, path, type, sizeBytes, previous } = item
  const [before, now] = [
    change === 'created' ? undefined : previous?.sizeBytes,
    change === 'deleted' ? undefined : sizeBytes
  ]
  if (json) {
    const line: DiffLine = { change, path, type, sizeBytes, previousSizeBytes: previous?.sizeBytes }
    return toJsonLine(line)
  }
  const sizes = `${sizeColumn(before)} -> ${sizeColumn(now)}  `
  return `${LETTERS[change]} ${long ? sizes : ''}${printPath(path)}${type === 'directory' ? '/' : ''}\n`
}

function sizeColumn(sizeBytes: number | undefined): string {
  return (sizeBytes === undefined ? '-' : String(sizeBytes)).padStart(12)
}
