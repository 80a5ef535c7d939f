import { type FoundVersion, findEntries } from '../../catalog/find.js'
import type { BackupError } from '../../errors.js'
import { printPath } from '../../path.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { describeError, Exit, exitCode, failure } from '../exit.js'
import { formatCount } from '../format.js'
import { failedLine } from '../json.js'
import { Listing, type ListingValues } from '../listing.js'
import { Output, say } from '../output.js'
import { FOUND_COLUMNS } from '../rows.js'

/** `ibt find`. */
export async function runFind(
  pattern: string,
  values: CommonValues & ListingValues & { key?: string },
  signal: AbortSignal
): Promise<number> {
  const output = new Output()
  const errors: BackupError[] = []
  const onError = (error: BackupError) => {
    errors.push(error)
    if (!values.quiet) say(`ibt: ${describeError(error)}\n`)
  }
  const listing = new Listing(output, values, FOUND_COLUMNS, describe)
  for await (const version of findEntries(values.key, pattern, { ...toPlaceOptions(values, signal), onError })) {
    await listing.write(version)
  }
  const [error] = errors
  if (error !== undefined && values.json)
    await output.write(failedLine(failure(error, exitCode(error)), exitCode(error)))
  await listing.end()
  if (error !== undefined) return exitCode(error)
  if (listing.isEmpty && !values.quiet) say(`ibt: Nothing in the backups matches ${printPath(pattern)}\n`)
  return listing.isEmpty ? Exit.failed : Exit.done
}

function describe({ key, first, last, backups, type, sizeBytes, erased, path }: FoundVersion): string {
  const size = type === 'file' ? String(sizeBytes ?? '-') : erased === undefined ? type : 'erased'
  const columns = [key.padEnd(12), first, last, formatCount(backups, 'backup').padStart(11), size.padStart(12)]
  return `${columns.join('  ')}  ${printPath(path)}`
}
