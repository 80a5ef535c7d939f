import type { Metadata } from '../types.js'
import { type Existing, inodeOf } from './existing.js'

/** The member of a hard-link group that the others are linked to. */
export interface FirstLink {
  readonly path: string
  /** Its inode, if it was there before; else it was made just now. */
  readonly inode: string | undefined
  /** It is known to be what the backup has. */
  isProven: boolean
}

/** The hard-link groups of a restore. Memory: one table entry for each group, and one for each inode that was there and belongs to one. */
export class WrittenLinks {
  readonly #firsts = new Map<number, FirstLink>()
  readonly #groups = new Map<string, number>()

  first({ link }: Metadata): FirstLink | undefined {
    return link === undefined ? undefined : this.#firsts.get(link)
  }

  /** Whether the inode that is there fits: a file that is in no group has an inode of its own, and a group has one inode. */
  mayStay({ link }: Metadata, there: Existing): boolean {
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
