import { listEntries } from '../../catalog/entries.js'
import { printPath } from '../../path.js'
import type { StateEntry } from '../../types.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatMode, formatTime } from '../format.js'
import { Listing, type ListingValues } from '../listing.js'
import { Output, say } from '../output.js'
import { ENTRY_COLUMNS } from '../rows.js'

/** `ibt ls`. */
export async function runLs(
  key: string,
  globs: readonly string[],
  values: CommonValues & ListingValues & { at?: string; long?: boolean },
  signal: AbortSignal
): Promise<number> {
  const paths = globs.length === 0 ? undefined : globs
  const describe = values.long ? describeEntry : ({ path }: StateEntry) => printPath(path)
  const listing = new Listing(new Output(), values, ENTRY_COLUMNS, describe)
  for await (const entry of listEntries(key, { ...toPlaceOptions(values, signal), at: values.at, paths })) {
    await listing.write(entry)
  }
  await listing.end()
  if (paths === undefined || !listing.isEmpty) return Exit.done
  if (!values.quiet) say(`ibt: Nothing in the backup matches ${globs.map(printPath).join(', ')}\n`)
  return Exit.failed
}

function describeEntry(entry: StateEntry): string {
  const { type, mode, uid, gid, uname = String(uid), gname = String(gid), sizeBytes, mtimeNs, path, linkname } = entry
  const size = sizeBytes === undefined ? '-' : String(sizeBytes)
  const flags = [
    entry.dirty && 'dirty',
    entry.carried && 'carried',
    entry.expectedSha256 !== undefined && 'bit rot suspected',
    entry.erased !== undefined && `erased ${entry.erased}`
  ]
  const said = flags.filter(Boolean).join(', ')
  const columns = [
    formatMode(type, mode),
    `${uname} ${gname}`.padEnd(12),
    size.padStart(12),
    formatTime(mtimeNs),
    printPath(path)
  ]
  return columns.join('  ') + (linkname === undefined ? '' : ` -> ${printPath(linkname)}`) + (said && `  (${said})`)
}
