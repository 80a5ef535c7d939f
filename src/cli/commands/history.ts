import { entryHistory, type PathEvent } from '../../catalog/history.js'
import { BackupError } from '../../errors.js'
import { printPath } from '../../path.js'
import { parseTypedPath } from '../../rules.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import type { HistoryLine } from '../events.js'
import { describeError, Exit, exitCode, failure } from '../exit.js'
import { formatMode, formatTime } from '../format.js'
import { failedLine, toJsonLine } from '../json.js'
import { Output } from '../output.js'
import { changeLetter } from './diff.js'

/** `ibt history`. */
export async function runHistory(
  key: string,
  path: string,
  values: CommonValues,
  signal: AbortSignal
): Promise<number> {
  const output = new Output()
  let isEmpty = true
  let error: BackupError | undefined
  for await (const event of entryHistory(key, path, toPlaceOptions(values, signal))) {
    if (event.error !== undefined) {
      error ??= event.error
      await output.write(values.json ? toJsonLine(event) : `${event.date}  unreadable: ${describeError(event.error)}\n`)
      continue
    }
    isEmpty = false
    await output.write(values.json ? toJsonLine(flat(event)) : `${describe(event)}\n`)
  }
  const code = error === undefined ? Exit.done : exitCode(error)
  if (error !== undefined && values.json) await output.write(failedLine(failure(error, code), code))
  await output.end()
  if (error !== undefined || !isEmpty) return code
  const wanted = parseTypedPath(path)
  throw new BackupError('IBT_NOT_FOUND', `No backup of ${key} has ${printPath(wanted)}`, { path: wanted })
}

/** For programs: what the entry says, and which archives hold its content. */
function flat({ date, change, path, entry }: PathEvent): HistoryLine {
  const { path: _, places = [], signature: __, ...metadata } = entry
  return { date, change, path, ...metadata, heldIn: places.map(({ date, in: kind }) => ({ date, kind })) }
}

function describe({ date, change, entry }: PathEvent): string {
  const { type, mode, sizeBytes, mtimeNs, sha256, linkname, erased, places = [] } = entry
  const start = `${date}  ${changeLetter(change)}`
  if (change === 'deleted') return `${start}  deleted`
  const columns = [start, formatMode(type, mode), String(sizeBytes ?? '-').padStart(12), formatTime(mtimeNs)]
  if (erased !== undefined) columns.push(`erased ${erased}`)
  if (sha256 !== undefined) columns.push(sha256)
  if (linkname !== undefined) columns.push(`-> ${printPath(linkname)}`)
  if (places.length > 0) columns.push(`in ${places.map(place => `${place.in} ${place.date}`).join(', ')}`)
  return columns.join('  ')
}
