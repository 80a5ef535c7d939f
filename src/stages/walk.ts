import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { BATCH_ENTRIES, LISTINGS_AHEAD } from '../constants.js'
import { BackupError } from '../errors.js'
import { toBatchSource } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { boundXattrs } from '../format/xattr-bound.js'
import { FileType, groupName, type Listing, systemError, userName } from '../native.js'
import { decodePath, encodePath, printPath, ROOT_PATH } from '../path.js'
import { createRules, type Rules, type Scope } from '../rules.js'
import { ListedDirectory, ListedSpan, xattrError } from '../source/listed.js'
import { Listings, ListingsBelow, type ListingsOptions } from '../source/listings.js'
import { SecondLook } from '../source/second-look.js'
import { singleFile } from '../source/single-file.js'
import type { Batched, BatchSource, Entry } from '../types.js'

/** Options of `walk`. */
export interface WalkOptions {
  /** Directories that are listed ahead in each directory that is served. Default: `LISTINGS_AHEAD`. */
  readonly concurrency?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Lists a tree: the root, then everything below it that the rules do not exclude. Of a root that is a regular file: a
 * directory that is made up, of mode 0700 and the user's own, and the file in it.
 *
 * Yields `Entry` in path order; files have a `content` that opens them beneath the root without following links.
 * The rules are asked before a directory is listed: nothing excluded is ever read.
 * A directory that cannot be listed, an entry whose metadata cannot be read and an ignore file that cannot be read are
 * `unreadable`. An entry that is not found is left out if it is no longer listed, and `unreadable` if it is.
 * Reads directories only. Look-ahead: `concurrency` directories a level, and where no rule speaks about what is below
 * them, that too, up to `LISTED_BELOW_ENTRIES` entries and one directory for each of them. Memory: the listings of the open
 * directories (about 150 bytes an entry) and of those ahead, and one table entry for each inode with links still to be seen.
 *
 * @throws BackupError IBT_READ_FAILED if the root is neither a directory nor a regular file, or cannot be listed.
 */
export function walk(
  root: string | Uint8Array,
  rules: Rules = createRules(),
  options: WalkOptions = {}
): BatchSource<Entry> {
  const { concurrency = LISTINGS_AHEAD } = options
  if (!Number.isInteger(concurrency) || concurrency < 1) throw new RangeError('walk: concurrency is a positive integer')
  const rootPath = typeof root === 'string' ? resolve(root) : decodePath(root)
  return toBatchSource(() => new Walker(rootPath, rules, { concurrency, signal: options.signal }).walk())
}

/** A listed directory that is being served. */
interface Level {
  readonly directory: ListedDirectory
  readonly scope: Scope
  readonly below: ListingsBelow
  next: number
  /** The entry that ended the last span because the rules exclude it. */
  excluded: number
}

class Walker {
  readonly #root: Buffer
  readonly #listings: Listings
  readonly #links = new LinkGroups()

  constructor(
    readonly rootPath: string,
    readonly rules: Rules,
    readonly options: ListingsOptions
  ) {
    this.#root = encodePath(rootPath)
    this.#listings = new Listings(this.#root, rules, options)
  }

  async *walk(): AsyncGenerator<Batched<Entry>, void, undefined> {
    const breather = createBreather()
    const root = await this.#rootEntry()
    if (root === undefined) {
      yield* singleFile(this.rootPath, this.rules, this.options.signal)
      return
    }
    const [top] = await this.#listings.list([ROOT_PATH])
    if (top instanceof BackupError) throw top
    yield boundXattrs({ ...root, xattrs: top!.ownXattrs, error: xattrError(ROOT_PATH, top!.ownXattrErrno) })
    const stack = [this.#level(ROOT_PATH, top!, undefined)]
    let level: Level | undefined
    while ((level = stack.at(-1)) !== undefined) {
      if (breather.due()) await breather.pause()
      const { directory, next: begin } = level
      const index = this.#spanEnd(level)
      if (index - begin === BATCH_ENTRIES) {
        level.next = index
        yield new ListedSpan(directory, begin, index)
        continue
      }
      level.next = index + 1
      const entry = index < directory.listing.count ? this.#entry(level, index) : undefined
      const listing = entry?.type === 'directory' ? await level.below.get(index) : undefined
      const isListed = listing !== undefined && !(listing instanceof BackupError)
      // A directory ends the span that it is in: what is below it comes next.
      const endsSpan = isListed && directory.isPlain(index)
      const end = endsSpan ? index + 1 : index
      if (begin < end) yield new ListedSpan(directory, begin, end)
      if (index >= directory.listing.count) stack.pop()
      else if (entry === undefined) continue
      else if (listing instanceof BackupError) {
        if (!(await this.#isGone(entry.path, listing))) yield { ...entry, type: 'unreadable', error: listing }
      } else if (!endsSpan) yield entry
      if (isListed) stack.push(this.#level(entry!.path, listing, level.scope))
    }
  }

  /** Not found, and no longer listed. */
  async #isGone(path: string, { cause }: BackupError): Promise<boolean> {
    if ((cause as NodeJS.ErrnoException | undefined)?.code !== 'ENOENT') return false
    return !(await new SecondLook(this.#root, this.options.signal).isListed(path))
  }

  /** Undefined for a source that is one file. */
  async #rootEntry(): Promise<Entry | undefined> {
    const { rootPath } = this
    const stats = await stat(this.#root, { bigint: true }).catch(cause => {
      throw new BackupError('IBT_READ_FAILED', `Cannot look at ${printPath(rootPath)}`, { path: rootPath, cause })
    })
    if (stats.isFile()) return undefined
    if (!stats.isDirectory()) {
      const message = `${printPath(rootPath)} is neither a directory nor a regular file`
      throw new BackupError('IBT_READ_FAILED', message, { path: rootPath })
    }
    const uid = Number(stats.uid)
    const gid = Number(stats.gid)
    const { mtimeNs, ctimeNs, ino } = stats
    const mode = Number(stats.mode & 0o7777n)
    const names = { uname: userName(uid), gname: groupName(gid) }
    return { path: ROOT_PATH, type: 'directory', mode, uid, gid, ...names, mtimeNs, ctimeNs, ino }
  }

  #level(path: string, listing: Listing, parent: Scope | undefined): Level {
    const directory = new ListedDirectory(this.#root, path, listing, this.rules)
    const { names } = directory
    const captured = new Map<string, Uint8Array>()
    for (const [i, bytes] of listing.captured.entries()) {
      if (bytes !== undefined) captured.set(this.rules.captures[i]!, bytes)
    }
    const scope = parent === undefined ? this.rules.root(captured, names) : parent.enter(path, captured, names)
    return { directory, scope, below: new ListingsBelow(this.#listings, directory, scope), next: 0, excluded: -1 }
  }

  /** Where the plain entries end that can be served in one span. */
  #spanEnd(level: Level): number {
    const { directory, scope, next } = level
    const { types, sizes } = directory.listing
    const most = Math.min(directory.listing.count, next + BATCH_ENTRIES)
    let end = next
    for (; end < most; end++) {
      if (!directory.isPlain(end) || types[end] === FileType.directory) break
      if (scope.isIdle || !scope.excludes(directory.pathOf(end), directory.typeOf(end)!, sizes[end])) continue
      level.excluded = end
      break
    }
    return end
  }

  /** The entry, or undefined if it is excluded. */
  #entry({ directory, scope, excluded }: Level, i: number): Entry | undefined {
    const { listing } = directory
    // The rules are asked once of an entry: what they say may be told.
    if (excluded === i) return undefined
    const path = directory.pathOf(i)
    if (listing.errnos[i] !== 0) return unreadableEntry(path, listing.errnos[i]!)
    const type = directory.typeOf(i)
    if (type === undefined) return unreadableEntry(path, 0)
    if (scope.excludes(path, type, type === 'file' ? listing.sizes[i]! : undefined)) return undefined
    const isLinked = type !== 'directory' && listing.nlinks[i]! > 1
    return boundXattrs(directory.entry(i, isLinked ? this.#links.ordinal(listing, i) : undefined))
  }
}

function unreadableEntry(path: string, errno: number): Entry {
  const cause = errno === 0 ? undefined : systemError(errno, 'lstat', path)
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
