import type { Source } from '../types.js'
import { SequentialContent } from './tar-content.js'
import { type TarEntry, TarLinks, toEntry } from './tar-entry.js'
import { readTar, type TarReaderOptions } from './tar-reader.js'
import { sortedTar, type TarSortOptions } from './tar-sorted.js'

export type { TarEntry } from './tar-entry.js'
export type { TarNameOptions } from './tar-names.js'

/** Options of `fromTar`. */
export interface FromTarOptions extends TarReaderOptions, TarSortOptions {
  /**
   * `spool`: the entries come in path order, whatever the order of the tar; the whole tar is read first, and contents wait
   * on disk. Default: the order of the tar.
   */
  readonly sort?: 'spool' | undefined
}

/**
 * The entries of a tar, of whatever tool: ustar, PAX and GNU headers, as GNU tar and bsdtar read them.
 *
 * Yields `Entry` in the tar's order, which need not be path order: a backup of one that is not is refused before
 * anything is stored. Contents are sequential: what is not read of one is skipped at the next pull. A further member of a
 * hard-link group is a file without content and size whose `linkTo` names the earlier member. A tar does not say which
 * files have further names: each is a group of its own until a link to it comes. A sparse file comes with its holes as
 * zeros. Volume labels are passed over. The `error` of an entry says what of it could not be taken over.
 * Look-ahead: none. Memory: one chunk of the source, one header, the map of one sparse file, and one table entry for
 * each file and symlink.
 * With `sort: 'spool'` the entries come in path order, the last one of a path as tar leaves it, every member of a hard-link
 * group has the content, and contents can be opened any number of times until the last entry has been taken. Memory: about
 * a kilobyte an entry, of which there may be `SORTED_ENTRIES`.
 * Source: POSIX.1-2017 pax, GNU tar manual; judged by GNU tar and bsdtar.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED without a closing zero block; IBT_ARCHIVE_CORRUPT; IBT_UNSAFE_PATH for a name
 * with '..' and an empty one, unless `onError` gets it; IBT_UNSUPPORTED_TYPE for sparse files of PAX form 0.0 and
 * entries of several volumes; IBT_OUT_OF_ORDER for a tar that is too large to be sorted; IBT_WRITE_FAILED where it cannot
 * be spooled; the signal's reason; whatever the source throws.
 * @throws RangeError or TypeError at the call for an option that makes no sense.
 */
export function fromTar(
  source: Source<Uint8Array>,
  options: FromTarOptions = {}
): AsyncGenerator<TarEntry, void, undefined> {
  const { sort, strip = 0, absolute = 'strip' } = options
  if (sort !== undefined && sort !== 'spool') throw new TypeError(`fromTar: sort is 'spool', not ${String(sort)}`)
  if (!Number.isInteger(strip) || strip < 0) throw new RangeError('fromTar: strip is a whole number of parts')
  if (absolute !== 'strip' && absolute !== 'refuse') throw new TypeError("fromTar: absolute is 'strip' or 'refuse'")
  return sort === 'spool' ? sortedTar(source, options) : inTarOrder(source, options)
}

async function* inTarOrder(
  source: Source<Uint8Array>,
  options: TarReaderOptions
): AsyncGenerator<TarEntry, void, undefined> {
  const links = new TarLinks()
  const items = readTar(source, options, (bytes, found) => new SequentialContent(bytes, found))
  for await (const { found, body } of items) {
    const entry = links.number(toEntry(found, body))
    if (entry !== undefined) yield entry
  }
}
