import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createBreather } from '../breathe.js'
import { IGNORE_FILE_BYTES, LISTINGS_AHEAD } from '../constants.js'
import { DiskContent } from '../content/disk.js'
import { ENTRY_TYPES, splitNames } from '../content/listed.js'
import { BackupError } from '../errors.js'
import { FileType, groupName, type Listing, listDirectory, systemError, userName } from '../native.js'
import { decodePath, encodePath, joinPath, printPath, ROOT_PATH } from '../path.js'
import { createRules, type Rules, type Scope } from '../rules.js'
import type { Entry } from '../types.js'

/** Options of `walk`. */
export interface WalkOptions {
  /** Directories that are listed ahead of the one that is served. Default: `LISTINGS_AHEAD`. */
  readonly concurrency?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Lists a tree: the root, then everything below it that the rules do not exclude.
 *
 * Yields `Entry` in path order; files have a `content` that opens them beneath the root without following links.
 * The rules are asked before a directory is listed: nothing excluded is ever looked at.
 * A directory that cannot be listed, an entry that cannot be looked at and an ignore file that cannot be read are
 * `unreadable`; what vanished is left out.
 * Reads directories only. Look-ahead: `concurrency` listings a level. Memory: the listings of the open directories
 * (about 150 bytes an entry) and of those ahead, and one table entry for each inode with links still to be seen.
 *
 * @throws BackupError IBT_READ_FAILED if the root is no directory or cannot be listed.
 */
export function walk(
  root: string | Uint8Array,
  rules: Rules = createRules(),
  options: WalkOptions = {}
): AsyncGenerator<Entry, void, undefined> {
  const { concurrency = LISTINGS_AHEAD } = options
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new RangeError('walk: concurrency is a positive integer')
  const rootPath = typeof root === 'string' ? resolve(root) : decodePath(root)
  return new Walker(rootPath, rules, { concurrency, signal: options.signal }).walk()
}

/** A listed directory that is being served. */
interface Level {
  readonly path: string
  readonly listing: Listing
  readonly scope: Scope
  readonly names: readonly string[]
  readonly linknames: readonly string[]
  next: number
  /** Listings that were asked for ahead, by index, and the first index that was not looked at for that. */
  readonly ahead: Map<number, Promise<Listing | BackupError>>
  aheadNext: number
}

class Walker {
  readonly #root: Buffer
  readonly #captures: readonly Uint8Array[]
  readonly #links = new LinkGroups()

  constructor(
    readonly rootPath: string,
    readonly rules: Rules,
    readonly options: { readonly concurrency: number; readonly signal: AbortSignal | undefined }
  ) {
    this.#root = encodePath(rootPath)
    this.#captures = rules.captures.map(name => encodePath(name))
  }

  async *walk(): AsyncGenerator<Entry, void, undefined> {
    const breather = createBreather()
    const root = await this.#rootEntry()
    const top = await this.#list(ROOT_PATH)
    if (top instanceof BackupError) throw top
    yield { ...root, xattrs: top.ownXattrs }
    const stack = [this.#level(ROOT_PATH, top, undefined)]
    let level: Level | undefined
    while ((level = stack.at(-1)) !== undefined) {
      if (breather.due()) await breather.pause()
      const index = level.next++
      if (index >= level.listing.count) {
        stack.pop()
        continue
      }
      const entry = this.#entry(level, index)
      if (entry?.type !== 'directory') {
        if (entry !== undefined) yield entry
        continue
      }
      this.#lookAhead(level)
      const listing = await level.ahead.get(index)
      level.ahead.delete(index)
      if (listing === undefined) yield entry
      else if (!(listing instanceof BackupError)) {
        yield entry
        stack.push(this.#level(entry.path, listing, level.scope))
      } else if (!isVanished(listing)) yield { ...entry, type: 'unreadable', error: listing }
    }
  }

  async #rootEntry(): Promise<Entry> {
    const { rootPath } = this
    const stats = await stat(this.#root, { bigint: true }).catch(cause => {
      throw new BackupError('IBT_READ_FAILED', `Cannot look at ${printPath(rootPath)}`, { path: rootPath, cause })
    })
    if (!stats.isDirectory()) {
      throw new BackupError('IBT_READ_FAILED', `${printPath(rootPath)} is no directory`, { path: rootPath })
    }
    const uid = Number(stats.uid)
    const gid = Number(stats.gid)
    const { mtimeNs, ctimeNs, ino } = stats
    const mode = Number(stats.mode & 0o7777n)
    const names = { uname: userName(uid), gname: groupName(gid) }
    return { path: ROOT_PATH, type: 'directory', mode, uid, gid, ...names, mtimeNs, ctimeNs, ino }
  }

  async #list(path: string): Promise<Listing | BackupError> {
    const { signal } = this.options
    try {
      return await listDirectory(this.#root, encodePath(path), this.#captures, IGNORE_FILE_BYTES, signal)
    } catch (error) {
      if (signal?.aborted || !(error instanceof BackupError)) throw error
      return error
    }
  }

  #level(path: string, listing: Listing, parent: Scope | undefined): Level {
    const names = splitNames(listing.names)
    const captured = new Map<string, Uint8Array>()
    for (const [i, bytes] of listing.captured.entries()) {
      if (bytes !== undefined) captured.set(this.rules.captures[i]!, bytes)
    }
    const scope = parent === undefined ? this.rules.root(captured, names) : parent.enter(path, captured, names)
    const linknames = splitNames(listing.linknames)
    return { path, listing, scope, names, linknames, next: 0, ahead: new Map(), aheadNext: 0 }
  }

  /** Asks for the listings of the next directories, in order. */
  #lookAhead(level: Level): void {
    const { listing, names, ahead } = level
    level.aheadNext = Math.max(level.aheadNext, level.next - 1)
    for (; level.aheadNext < listing.count && ahead.size < this.options.concurrency; level.aheadNext++) {
      const i = level.aheadNext
      if (listing.types[i] !== FileType.directory || listing.errnos[i] !== 0) continue
      const path = joinPath(level.path, names[i]!)
      if (level.scope.excludes(path, 'directory') || this.#isOtherDevice(listing, i)) continue
      const listed = this.#list(path)
      listed.catch(() => {})
      ahead.set(i, listed)
    }
  }

  #isOtherDevice(listing: Listing, index: number): boolean {
    return this.rules.oneFileSystem && listing.devs[index] !== listing.dev
  }

  /** The entry, or undefined if it is excluded or vanished. */
  #entry({ path: directory, listing, names, linknames, scope }: Level, i: number): Entry | undefined {
    const path = joinPath(directory, names[i]!)
    if (listing.errnos[i] !== 0) return unreadableEntry(path, listing.errnos[i]!)
    const type = ENTRY_TYPES[listing.types[i]!]
    if (type === undefined) return unreadableEntry(path, 0)
    const sizeBytes = type === 'file' ? listing.sizes[i]! : undefined
    if (scope.excludes(path, type, sizeBytes)) return undefined
    const uid = listing.uids[i]!
    const gid = listing.gids[i]!
    const isDevice = type === 'character-device' || type === 'block-device'
    return {
      path,
      type,
      mode: listing.modes[i]! & 0o7777,
      uid,
      gid,
      uname: userName(uid),
      gname: groupName(gid),
      mtimeNs: listing.mtimesNs[i]!,
      ctimeNs: listing.ctimesNs[i]!,
      ino: listing.inos[i]!,
      sizeBytes,
      sparse: listing.sparse[i] === 1 || undefined,
      linkname: type === 'symlink' ? linknames[i]! : undefined,
      link: type === 'directory' || listing.nlinks[i]! < 2 ? undefined : this.#links.ordinal(listing, i),
      devMajor: isDevice ? listing.devMajors[i] : undefined,
      devMinor: isDevice ? listing.devMinors[i] : undefined,
      xattrs: listing.xattrs.get(i),
      content: type === 'file' ? new DiskContent(this.#root, path) : undefined
    }
  }
}

function isVanished(error: BackupError): boolean {
  return (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
}

function unreadableEntry(path: string, errno: number): Entry | undefined {
  const cause = errno === 0 ? undefined : systemError(errno, 'lstat', path)
  if (cause?.code === 'ENOENT') return undefined
  const error = new BackupError('IBT_READ_FAILED', `Cannot look at ${printPath(path)}`, { path, cause })
  return { path, type: 'unreadable', mode: 0, uid: 0, gid: 0, mtimeNs: 0n, error }
}

/** Numbers the inodes that have several links, in the order in which they are met. */
class LinkGroups {
  readonly #open = new Map<string, { readonly ordinal: number; unseen: number }>()
  #count = 0

  ordinal(listing: Listing, i: number): number {
    const inode = `${listing.devs[i]}:${listing.inos[i]}`
    let group = this.#open.get(inode)
    if (group === undefined) {
      group = { ordinal: this.#count++, unseen: listing.nlinks[i]! }
      this.#open.set(inode, group)
    }
    if (--group.unseen === 0) this.#open.delete(inode)
    return group.ordinal
  }
}
