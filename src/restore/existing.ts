import { createHash } from 'node:crypto'
import { CHUNK_BYTES } from '../constants.js'
import { closeDescriptor, FileType, type Listing, listDirectory, openFile } from '../native.js'
import { comparePaths, encodePath, joinPath } from '../path.js'
import { readChunk } from '../source/disk.js'
import { ENTRY_TYPES, splitNames } from '../source/listed.js'
import type { Metadata } from '../types.js'

/** What is in the destination before a restore comes to it. */
export interface Existing extends Metadata {
  readonly dev: bigint
  readonly nlink: number
}

/**
 * What a directory of the destination holds. Ask for names in path order. The directory is listed once, and nothing in it
 * is looked at again. Memory: the listing, about 150 bytes an entry, while the directory is open.
 */
export class ExistingDirectory {
  readonly #names: readonly string[]
  readonly #linknames: readonly string[]
  readonly #others: number[] = []
  #next = 0

  private constructor(
    readonly path: string,
    readonly listing: Listing
  ) {
    this.#names = splitNames(listing.names)
    this.#linknames = splitNames(listing.linknames)
  }

  /** @throws BackupError IBT_READ_FAILED */
  static async list(root: number, path: string, signal: AbortSignal | undefined): Promise<ExistingDirectory> {
    return new ExistingDirectory(path, await listDirectory(root, path, { signal }))
  }

  find(name: string): Existing | undefined {
    for (; this.#next < this.#names.length; this.#next++) {
      const order = comparePaths(this.#names[this.#next]!, name)
      if (order === 0) return this.#existing(this.#next++)
      if (order > 0) return undefined
      this.#others.push(this.#next)
    }
    return undefined
  }

  /** Everything that nobody has asked for. Call it after the last `find`. */
  *others(): Generator<Existing, void, undefined> {
    for (const i of this.#others) yield this.#existing(i)
    for (let i = this.#next; i < this.#names.length; i++) yield this.#existing(i)
  }

  /** Files with names that a restore has given, in any order, whether asked for or not. */
  *temporaries(): Generator<Existing, void, undefined> {
    for (const [i, name] of this.#names.entries()) {
      if (name.startsWith('.ibt-') && this.listing.types[i] === FileType.file) yield this.#existing(i)
    }
  }

  #existing(i: number): Existing {
    const { listing } = this
    const type = ENTRY_TYPES[listing.types[i]!] ?? 'unreadable'
    return {
      path: joinPath(this.path, this.#names[i]!),
      type,
      mode: listing.modes[i]! & 0o7777,
      uid: listing.uids[i]!,
      gid: listing.gids[i]!,
      mtimeNs: listing.mtimesNs[i]!,
      ino: listing.inos[i]!,
      sizeBytes: listing.sizes[i]!,
      linkname: type === 'symlink' ? this.#linknames[i]! : undefined,
      devMajor: listing.devMajors[i]!,
      devMinor: listing.devMinors[i]!,
      xattrs: listing.xattrs.get(i),
      dev: listing.devs[i]!,
      nlink: listing.nlinks[i]!
    }
  }
}

/** Tells one thing of a file system from every other. */
export function inodeOf({ dev, ino }: { readonly dev: bigint; readonly ino?: bigint | undefined }): string {
  return `${dev}:${ino}`
}

/**
 * SHA-256 of a file of the destination, in hex; undefined if it has grown since it was listed. Memory: one chunk.
 *
 * @throws BackupError IBT_READ_FAILED; system errors.
 */
export async function digestOf(
  root: number,
  { path, sizeBytes = 0 }: Metadata,
  signal?: AbortSignal
): Promise<string | undefined> {
  const hash = createHash('sha256')
  const { fd } = await openFile(root, encodePath(path), 'read', signal)
  try {
    for (let at = 0; at <= sizeBytes; ) {
      signal?.throwIfAborted()
      // One byte more than there should be, to see the end.
      const chunk = await readChunk(fd, at, Math.min(CHUNK_BYTES, sizeBytes - at + 1))
      if (chunk.length === 0) return hash.digest('hex')
      hash.update(chunk)
      at += chunk.length
    }
    return undefined
  } finally {
    await closeDescriptor(fd)
  }
}
