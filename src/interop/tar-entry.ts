import { BackupError } from '../errors.js'
import { boundXattrs } from '../format/xattr-bound.js'
import { printPath } from '../path.js'
import type { Content, Entry, Signed } from '../types.js'
import type { ForeignHeader } from './tar-headers.js'

/** An entry of a tar; of a further member of a hard-link group, `linkTo` names the earlier one. */
export type TarEntry = Entry & Pick<Signed, 'linkTo'>

/** The entry of a header. Its `error` says what of it could not be taken over. */
export function toEntry(found: ForeignHeader, content: Content): TarEntry {
  const { type, sizeBytes, sparseSizeBytes, linkname, comment: _, ...metadata } = found.header
  const error = lossError(found)
  if (type === 'link') return boundXattrs({ type: 'file', linkTo: linkname, ...metadata, error })
  if (type !== 'file') return boundXattrs({ type, linkname, ...metadata, error })
  const sparse = sparseSizeBytes === undefined ? undefined : true
  return boundXattrs({ type, sizeBytes: sparseSizeBytes ?? sizeBytes, sparse, content, ...metadata, error })
}

function lossError({ header, losses }: ForeignHeader): BackupError | undefined {
  if (losses.length === 0) return undefined
  const { path } = header
  const message = `${printPath(path)} in the tar is not backed up completely: ${losses.join(', ')}`
  return new BackupError('IBT_UNSUPPORTED_TYPE', message, { path })
}

/** Numbers files, for links that may follow. Memory: one table entry for each file and for each that has a link. */
export class TarLinks {
  readonly #links = new Map<string, number>()
  /** Symlinks and the like have names of their own in a backup: a further name of one is one more. */
  readonly #others = new Map<string, TarEntry>()
  #count = 0

  /** Undefined for what is a link to itself: that is there already. */
  number(entry: TarEntry): TarEntry | undefined {
    const { type, path, linkTo } = entry
    if (linkTo === path) return undefined
    if (type === 'directory') return entry
    if (type !== 'file') {
      this.#others.set(path, entry)
      return entry
    }
    const other = linkTo === undefined ? undefined : this.#others.get(linkTo)
    if (other !== undefined) return { ...other, path }
    const link = linkTo === undefined ? this.#count++ : this.#links.get(linkTo)
    // A link to a link is one to the same file.
    if (link !== undefined) this.#links.set(path, link)
    return { link, ...entry }
  }
}
