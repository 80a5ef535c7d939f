import type { Metadata } from '../types.js'
import type { Existing } from './existing.js'

/** The member of a hard-link group that the others are linked to. */
export interface FirstLink {
  readonly path: string
  /** Its inode, if it was there before; else it was made just now. */
  readonly inode: string | undefined
  /** It is known to be what the backup has. */
  isProven: boolean
}

/** The hard-link groups of a restore. Memory: one entry for each group, and one for each inode that a group has kept. */
export class WrittenLinks {
  readonly #firsts = new Map<number, FirstLink>()
  readonly #groups = new Map<string, number>()

  first({ link }: Metadata): FirstLink | undefined {
    return link === undefined ? undefined : this.#firsts.get(link)
  }

  /** Whether what is there may stay, as far as links go: what is no member has an inode of its own, a group has one. */
  maySettle({ link }: Metadata, there: Existing): boolean {
    if (link === undefined) return there.nlink === 1
    const group = this.#groups.get(inodeOf(there))
    return group === undefined || group === link
  }

  /** Further members of its group can be linked to this entry, which was there before or not. */
  add({ link, path }: Metadata, there?: Existing): void {
    if (link === undefined) return
    const inode = there === undefined ? undefined : inodeOf(there)
    this.#firsts.set(link, { path, inode, isProven: inode !== undefined })
    if (inode !== undefined) this.#groups.set(inode, link)
  }

  /** The first member could not be made: the next is the first. */
  lose(link: number | undefined): void {
    if (link !== undefined) this.#firsts.delete(link)
  }
}

export function inodeOf({ dev, ino }: Existing): string {
  return `${dev}:${ino}`
}
