import { createHash } from 'node:crypto'
import type { Stats } from 'node:fs'
import { type FileHandle, open, readdir, readFile, rename, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CHUNK_BYTES } from '../constants.js'
import { writeAll } from '../flow/gathered-writes.js'
import { readBuffer } from '../flow/memory.js'
import { makeDirectories } from '../native/make-directories.js'
import { syncDescriptor } from '../native/sync.js'
import { decodePath } from '../path.js'
import type { ByteRange, Source, Store } from '../types.js'
import { defineStore } from './define-store.js'
import { isCode, publishNew, raise, syncDirectory, unlinkIfThere } from './directory-files.js'
import { makeReadOnly, markedName, markOf, printMark, readMark } from './directory-marks.js'
import { decodeHolder, isGone } from './lock-holder.js'
import type { RetainingStore } from './memory.js'
import { compareStoredNames, notFound, retained } from './stored-name.js'
import { findLeftBehind, temporaryName } from './temporary-names.js'

/** A store in a directory of this machine. */
export interface DirectoryStore extends RetainingStore {
  /** Absolute path of the directory. */
  readonly path: string
  readonly places: readonly string[]
  /**
   * Makes a file read-only, and writes the time into a file beside it, which every delete and put through this store
   * respects. Nothing keeps the owner of the directory or root from deleting both.
   */
  retain: RetainingStore['retain']
  /**
   * Removes the temporary files of a key's artifacts, and those of its lock whose process is gone: what a run that was
   * killed has left. Resolves to how many there were.
   * For the holder of the key's lock: it also takes those of a `put` under way.
   */
  clean(key: string): Promise<number>
}

/**
 * A directory as a store: one file for each artifact, readable by its owner only.
 * A file appears under its name when it is whole and on disk: temporary name, fsync, rename, fsync of the directory.
 * The directory is made when it is first needed. Hidden files and anything that is not a file are not listed.
 * Memory: one chunk of `CHUNK_BYTES` for each `get`, that and two chunks for each `put`, the names for each `list`.
 *
 * @throws TypeError at the call for anything but a path.
 */
export function directoryStore(path: string): DirectoryStore {
  if (typeof path !== 'string' || path === '') throw new TypeError('directoryStore: a path is expected')
  const directory = resolve(path)
  const fileOf = (name: string) => join(directory, name)
  const temporaryOf = (name: string) => fileOf(temporaryName(name))

  const store = defineStore({
    id: `directory-${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`,
    places: [directory],

    async put(name, source, { signal }) {
      await checkRetained(name)
      const temporary = temporaryOf(name)
      try {
        await writeNew(directory, temporary, source)
        signal?.throwIfAborted()
        await rename(temporary, fileOf(name))
      } catch (error) {
        await unlink(temporary).catch(() => {})
        throw error
      }
      await syncDirectory(directory)
    },

    async create(name, bytes, { signal }) {
      const temporary = temporaryOf(name)
      try {
        await writeNew(directory, temporary, [bytes])
        signal?.throwIfAborted()
        const isFirst = await publishNew(temporary, fileOf(name), bytes)
        if (isFirst) await syncDirectory(directory)
        return isFirst
      } finally {
        await unlink(temporary).catch(() => {})
      }
    },

    get: (name, range) => readRange(fileOf(name), range),

    async *list(prefix) {
      const names = await namesIn(directory)
      const marked = new Set(names.map(markedName))
      for (const name of names) {
        if (name.startsWith('.') || !name.startsWith(prefix)) continue
        const found = await statIfThere(fileOf(name))
        if (!found?.isFile()) continue
        const retainedUntilMs = marked.has(name) ? await readMark(directory, name) : 0
        yield { name, sizeBytes: found.size, ...(retainedUntilMs > 0 && { retainedUntilMs }) }
      }
    },

    async delete(name) {
      await checkRetained(name)
      if (!(await unlinkIfThere(fileOf(name)))) return
      await unlinkIfThere(markOf(directory, name))
      await syncDirectory(directory)
    },

    async retain(name, untilMs) {
      if ((await statIfThere(fileOf(name))) === undefined) throw notFound(name)
      if ((await readMark(directory, name)) < untilMs) {
        const temporary = temporaryOf(name)
        await writeNew(directory, temporary, [printMark(untilMs)])
        await rename(temporary, markOf(directory, name))
        await syncDirectory(directory)
      }
      await makeReadOnly(fileOf(name))
    },

    async clean(key) {
      const { temporary, ofLocks, marks } = findLeftBehind(await namesIn(directory), key)
      for (const mark of marks) await unlinkIfThere(fileOf(mark))
      let removed = 0
      for (const name of temporary) if (await unlinkIfThere(fileOf(name))) removed++
      for (const name of ofLocks) {
        if ((await isAbandoned(fileOf(name))) && (await unlinkIfThere(fileOf(name)))) removed++
      }
      return removed
    }
  })
  return { ...(store as RetainingStore & Required<Pick<Store, 'clean'>>), path: directory, places: [directory] }

  async function checkRetained(name: string): Promise<void> {
    const untilMs = await readMark(directory, name)
    if (untilMs > Date.now()) throw retained(name, untilMs)
  }
}

/** Names that are UTF-8, in byte order: others were not made by a store. */
async function namesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory, { encoding: 'buffer' }).catch(error =>
    isCode(error, 'ENOENT') ? [] : raise(error)
  )
  return names
    .map(decodePath)
    .filter(name => name.isWellFormed())
    .sort(compareStoredNames)
}

/** Writes a file that is not there yet to the disk. */
async function writeNew(directory: string, path: string, source: Source<Uint8Array>): Promise<void> {
  const file = await openNew(directory, path)
  try {
    await writeAll(file, source)
    await syncDescriptor(file.fd)
  } finally {
    await file.close()
  }
}

async function openNew(directory: string, path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', 0o600)
  } catch (error) {
    if (!isCode(error, 'ENOENT')) throw error
    await makeDirectories(Buffer.from(directory), 0o700)
    return open(path, 'wx', 0o600)
  }
}

/**
 * Whether a lock that was never published was of a process that is gone. One that names nobody yet may be of a process
 * that was killed before it wrote: whoever still writes it creates the lock without it.
 */
async function isAbandoned(path: string): Promise<boolean> {
  const holder = decodeHolder(await readFile(path).catch(() => Buffer.alloc(0)))
  return holder === undefined || isGone(holder)
}

async function* readRange(
  path: string,
  { start, end = Infinity }: ByteRange
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path)
  try {
    const { size } = await file.stat()
    const stop = Math.min(end, size)
    for (let at = start; at < stop; ) {
      const buffer = readBuffer(Math.min(CHUNK_BYTES, stop - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  } finally {
    await file.close()
  }
}

/** A name may go between the listing and the look at it. */
function statIfThere(path: string): Promise<Stats | undefined> {
  return stat(path).catch(error => (isCode(error, 'ENOENT') ? undefined : raise(error)))
}
