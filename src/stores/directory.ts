import { createHash, randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CHUNK_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import { readBuffer } from '../flow/memory.js'
import { isLockName, parseArtifactName } from '../format/names.js'
import { makeDirectories } from '../native/make-directories.js'
import { syncDescriptor } from '../native/sync.js'
import { decodePath } from '../path.js'
import type { ByteRange, Source, Store, StoredName, StoreOptions } from '../types.js'
import { isCode, publishNew, raise, syncDirectory, unlinkIfThere, writeAll } from './directory-files.js'
import { decodeHolder, isGone } from './lock-holder.js'
import {
  checkChunk,
  checkRange,
  checkSource,
  checkStoredName,
  compareStoredNames,
  isNotFound,
  notFound
} from './stored-name.js'

export interface DirectoryStore extends Store {
  /** Absolute path of the directory. */
  readonly path: string
  readonly places: readonly string[]
  create(name: string, bytes: Uint8Array, options?: StoreOptions): Promise<boolean>
  /**
   * Removes the temporary files of a key's artifacts, and those of its lock whose process is gone: what a run that was
   * killed has left. Resolves to how many there were.
   * For the holder of the key's lock: it also takes those of a `put` under way.
   */
  clean(key: string): Promise<number>
}

/** `.NAME.RANDOM.tmp` */
const TEMPORARY = /^\.(.+)\.[0-9a-f]{16}\.tmp$/

/**
 * A directory as a store: one file for each artifact, readable by its owner only.
 * A file appears under its name when it is whole and on disk: temporary name, fsync, rename, fsync of the directory.
 * The directory is made when it is first needed. Hidden files and what is no file are not listed.
 * Memory: one chunk of `CHUNK_BYTES` for each `get`, the names for each `list`.
 *
 * @throws TypeError at the call for anything but a path.
 */
export function directoryStore(path: string): DirectoryStore {
  if (typeof path !== 'string' || path === '') throw new TypeError('directoryStore: a path is expected')
  return new Directory(resolve(path))
}

class Directory implements DirectoryStore {
  readonly id: string
  readonly places: readonly string[]

  constructor(readonly path: string) {
    this.places = [path]
    this.id = `directory-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`
  }

  async put(name: string, source: Source<Uint8Array>, { signal }: StoreOptions = {}): Promise<void> {
    checkStoredName(name)
    checkSource(source)
    signal?.throwIfAborted()
    const temporary = this.#temporary(name)
    try {
      await this.#write(name, temporary, abortable(source, signal))
      signal?.throwIfAborted()
      await failing('publish', name, rename(temporary, this.#file(name)))
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw error
    }
    await failing('publish', name, syncDirectory(this.path))
  }

  async create(name: string, bytes: Uint8Array, { signal }: StoreOptions = {}): Promise<boolean> {
    checkStoredName(name)
    checkChunk(bytes)
    signal?.throwIfAborted()
    const temporary = this.#temporary(name)
    try {
      await this.#write(name, temporary, [bytes])
      signal?.throwIfAborted()
      const isFirst = await failing('create', name, publishNew(temporary, this.#file(name), bytes))
      if (isFirst) await failing('create', name, syncDirectory(this.path))
      return isFirst
    } finally {
      await unlink(temporary).catch(() => {})
    }
  }

  get(name: string, range: ByteRange = { start: 0 }, { signal }: StoreOptions = {}): AsyncGenerator<Uint8Array, void> {
    checkStoredName(name)
    checkRange(range)
    return readRange(name, this.#file(name), range, signal)
  }

  async *list(prefix = '', { signal }: StoreOptions = {}): AsyncGenerator<StoredName, void, undefined> {
    for (const name of await this.#names()) {
      if (name.startsWith('.') || !name.startsWith(prefix)) continue
      signal?.throwIfAborted()
      const found = await statIfThere(name, this.#file(name))
      if (found?.isFile()) yield { name, sizeBytes: found.size }
    }
  }

  async delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    checkStoredName(name)
    signal?.throwIfAborted()
    const isDeleted = await failing('delete', name, unlinkIfThere(this.#file(name)))
    if (isDeleted) await failing('delete', name, syncDirectory(this.path))
  }

  async clean(key: string): Promise<number> {
    let removed = 0
    for (const name of await this.#names()) {
      const published = TEMPORARY.exec(name)?.[1] ?? ''
      const isOurs = parseArtifactName(published)?.key === key
      if (!isOurs && !(isLockName(published, key) && (await isAbandoned(this.#file(name))))) continue
      if (await failing('delete', name, unlinkIfThere(this.#file(name)))) removed++
    }
    return removed
  }

  #file(name: string): string {
    return join(this.path, name)
  }

  #temporary(name: string): string {
    return this.#file(`.${name}.${randomBytes(8).toString('hex')}.tmp`)
  }

  /** Names that are UTF-8, in byte order: others were not made by a store. */
  async #names(): Promise<string[]> {
    const names = await failing(
      'list',
      this.path,
      readdir(this.path, { encoding: 'buffer' }).catch(error => (isCode(error, 'ENOENT') ? [] : raise(error)))
    )
    return names
      .map(decodePath)
      .filter(name => name.isWellFormed())
      .sort(compareStoredNames)
  }

  async #write(name: string, path: string, source: Source<Uint8Array>): Promise<void> {
    const file = await failing('write', name, this.#openNew(path))
    try {
      for await (const chunk of source) {
        checkChunk(chunk)
        await failing('write', name, writeAll(file, chunk))
      }
      await failing('write', name, syncDescriptor(file.fd))
    } finally {
      await failing('write', name, file.close())
    }
  }

  async #openNew(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx', 0o600)
    } catch (error) {
      if (!isCode(error, 'ENOENT')) throw error
      await makeDirectories(Buffer.from(this.path), 0o700)
      return open(path, 'wx', 0o600)
    }
  }
}

/** Whether a lock that was never published was of a process that is gone. */
async function isAbandoned(path: string): Promise<boolean> {
  const holder = decodeHolder(await readFile(path).catch(() => Buffer.alloc(0)))
  return holder !== undefined && isGone(holder)
}

async function* readRange(
  name: string,
  path: string,
  { start, end = Infinity }: ByteRange,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted()
  const file = await failing(
    'read',
    name,
    open(path).catch(error => raise(isCode(error, 'ENOENT') ? notFound(name, error) : error))
  )
  try {
    const { size } = await failing('read', name, file.stat())
    const stop = Math.min(end, size)
    for (let at = start; at < stop; ) {
      signal?.throwIfAborted()
      const buffer = readBuffer(Math.min(CHUNK_BYTES, stop - at))
      const { bytesRead } = await failing('read', name, file.read(buffer, 0, buffer.length, at))
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** A name may go between the listing and the look at it. */
function statIfThere(name: string, path: string): Promise<Stats | undefined> {
  return failing(
    'list',
    name,
    stat(path).catch(error => (isCode(error, 'ENOENT') ? undefined : raise(error)))
  )
}

/** Says which of the store's actions a system error ended. */
async function failing<T>(action: string, name: string, work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (cause) {
    if (isNotFound(cause)) throw cause
    throw new BackupError('IBT_STORE_FAILED', `Cannot ${action} ${name}`, { path: name, cause })
  }
}
