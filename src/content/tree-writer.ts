import { randomBytes } from 'node:crypto'
import { fsync, write } from 'node:fs'
import { promisify } from 'node:util'
import { BackupError } from '../errors.js'
import { groupId, Operation, openFile, systemError, userId } from '../native.js'
import { checkPath, encodePath, isBelow, joinPath, parentPath, printPath, ROOT_PATH } from '../path.js'
import type { Entry } from '../types.js'
import { closeFile } from './disk.js'
import { OperationBatch, type PathOperation } from './operations.js'

const writeFile = promisify(write)
const syncFile = promisify(fsync)

/** Errors after which no other write can succeed. */
const FATAL = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'])

export interface TreeWriterOptions {
  readonly owners: 'name' | 'number' | 'none'
  readonly onError: (error: BackupError) => void
  readonly signal: AbortSignal | undefined
}

/** A directory that is being filled: its links are made, and its metadata set, when it is left. */
interface OpenDirectory {
  readonly entry: Entry
  readonly symlinks: Entry[]
}

/** Fills a directory with entries that come in path order. Two batches at most: one that runs, one that gathers. */
export class TreeWriter {
  readonly #open: OpenDirectory[] = []
  readonly #links = new Map<number, string>()
  #batch = new OperationBatch()
  #running: Promise<void> = Promise.resolve()

  constructor(
    readonly root: Uint8Array,
    readonly options: TreeWriterOptions
  ) {}

  async directory(entry: Entry): Promise<void> {
    await this.#leaveTo(entry)
    if (entry.path !== ROOT_PATH) await this.#do({ code: Operation.makeDirectory, path: entry.path, mode: 0o700 })
    this.#open.push({ entry, symlinks: [] })
  }

  /** A symlink is made when its directory is left: nothing is ever written through one. */
  async symlink(entry: Entry): Promise<void> {
    const directory = await this.#leaveTo(entry)
    directory.symlinks.push(entry)
  }

  /** A file whose bytes are at hand and proven. */
  async smallFile(entry: Entry, body: Uint8Array): Promise<void> {
    await this.#leaveTo(entry)
    await this.#do({ code: Operation.writeFile, body, ...this.#metadata(entry) })
  }

  /** A file whose bytes are proven by their end: it gets its name then. */
  async largeFile(entry: Entry, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    await this.#leaveTo(entry)
    await this.flush()
    const temporary = joinPath(parentPath(entry.path), `.ibt-${randomBytes(8).toString('hex')}.tmp`)
    try {
      const sizeBytes = await this.#writeChunks(temporary, chunks)
      await this.#do({ code: Operation.setMetadata, ...this.#metadata(entry), path: temporary })
      await this.#do({ code: Operation.rename, path: temporary, other: entry.path })
      await this.flush()
      return sizeBytes
    } catch (error) {
      await this.#remove(temporary)
      throw error
    }
  }

  /** Links a file to the first member of its group that was written: false if there is none. */
  async link(entry: Entry): Promise<boolean> {
    const first = entry.link === undefined ? undefined : this.#links.get(entry.link)
    if (first === undefined) return false
    await this.#leaveTo(entry)
    await this.#do({ code: Operation.makeLink, path: entry.path, other: first })
    return true
  }

  /** Further members of its group can be linked to this file. */
  wrote({ link, path }: Entry): void {
    if (link !== undefined) this.#links.set(link, path)
  }

  async end(): Promise<void> {
    while (this.#open.length > 0) await this.#leave()
    await this.flush()
  }

  async flush(): Promise<void> {
    this.#start()
    await this.#running
  }

  /** Leaves the directories that the entry is not in. Its parent has to be open: an entry of the same backup. */
  async #leaveTo({ path }: Entry): Promise<OpenDirectory> {
    checkPath(path)
    while (this.#open.length > 0 && !isBelow(path, this.#open.at(-1)!.entry.path)) await this.#leave()
    const parent = this.#open.at(-1)
    if (path === ROOT_PATH && parent === undefined) return { entry: { path } as Entry, symlinks: [] }
    if (parent?.entry.path === parentPath(path)) return parent
    throw new BackupError('IBT_UNSAFE_PATH', `${printPath(path)} is not in a directory of this backup`, { path })
  }

  async #leave(): Promise<void> {
    const { entry, symlinks } = this.#open.pop()!
    for (const symlink of symlinks) {
      const metadata = { ...this.#metadata(symlink), mode: undefined }
      await this.#do({ code: Operation.makeSymlink, other: symlink.linkname, ...metadata })
    }
    await this.#do({ code: Operation.setMetadata, ...this.#metadata(entry) })
  }

  #metadata({ path, mode, uid, gid, uname, gname, mtimeNs }: Entry) {
    const { owners } = this.options
    if (owners === 'none') return { path, mode, mtimeNs }
    const byName = owners === 'name'
    return {
      ...{ path, mode, mtimeNs },
      uid: (byName && uname !== undefined ? userId(uname) : undefined) ?? uid,
      gid: (byName && gname !== undefined ? groupId(gname) : undefined) ?? gid
    }
  }

  async #writeChunks(path: string, chunks: AsyncIterable<Uint8Array>): Promise<number> {
    const { fd } = await openFile(this.root, encodePath(path), 'create', this.options.signal)
    let position = 0
    try {
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; ) {
          const { bytesWritten } = await writeFile(fd, chunk, at, chunk.length - at, position)
          at += bytesWritten
          position += bytesWritten
        }
      }
      await syncFile(fd)
      return position
    } finally {
      await closeFile(fd)
    }
  }

  /** Not in its turn: an abort ends all that is waiting. */
  async #remove(path: string): Promise<void> {
    const batch = new OperationBatch()
    batch.add({ code: Operation.remove, path })
    await this.#running.catch(() => {})
    await batch.run(this.root).catch(() => {})
  }

  async #do(operation: PathOperation): Promise<void> {
    this.#batch.add(operation)
    if (!this.#batch.isFull) return
    await this.#running
    this.#start()
  }

  #start(): void {
    const batch = this.#batch
    this.#batch = new OperationBatch()
    const before = this.#running
    this.#running = before.then(() => this.#run(batch))
    this.#running.catch(() => {})
  }

  async #run(batch: OperationBatch): Promise<void> {
    for (const { operation, errno } of await batch.run(this.root, this.options.signal)) {
      const { path } = operation
      const cause = systemError(errno, operationName(operation), path)
      const error = new BackupError('IBT_WRITE_FAILED', `Cannot write ${printPath(path)}`, { path, cause })
      if (FATAL.has(cause.code ?? '')) throw error
      this.options.onError(error)
    }
  }
}

function operationName({ code }: PathOperation): string {
  return Object.entries(Operation).find(([, value]) => value === code)![0]
}
