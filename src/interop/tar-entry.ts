import { BackupError } from '../errors.js'
import { printPath } from '../path.js'
import type { Content, Entry, Signed } from '../types.js'
import type { ForeignHeader } from './tar-headers.js'

/** Options of `fromTar`. */
export interface FromTarOptions {
  /** Sees what of an entry could not be taken over: ACLs, which stand in a tar as text. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

/** An entry of a tar; of a further member of a hard-link group, `linkTo` names the earlier one. */
export type TarEntry = Entry & Pick<Signed, 'linkTo'>

export function toEntry(found: ForeignHeader, content: Content, { onError }: FromTarOptions): TarEntry {
  const { type, sizeBytes, sparseSizeBytes, linkname, comment: _, ...metadata } = found.header
  const { path } = metadata
  if (found.acls.length > 0) {
    const message = `${printPath(path)} has ACLs in the tar, which are left out: ${found.acls.join(', ')}`
    onError?.(new BackupError('IBT_UNSUPPORTED_TYPE', message, { path }))
  }
  if (type === 'link') return { type: 'file', linkTo: linkname, ...metadata }
  if (type !== 'file') return { type, linkname, ...metadata }
  const sparse = sparseSizeBytes === undefined ? undefined : true
  return { type, sizeBytes: sparseSizeBytes ?? sizeBytes, sparse, content, ...metadata }
}

/** Numbers files, for links that may follow. Memory: one table entry for each file and for each that has a link. */
export class TarLinks {
  readonly #links = new Map<string, number>()
  /** Symlinks and the like have names of their own in a backup: a further name of one is one more. */
  readonly #others = new Map<string, TarEntry>()
  #count = 0

  number(entry: TarEntry): TarEntry {
    const { type, path, linkTo } = entry
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
