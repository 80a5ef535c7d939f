import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { CHUNK_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import type { ByteRange, Source, Store, StoredName, StoreOptions } from '../types.js'

export interface DirectoryStore extends Store {
  /** Absolute path of the directory. */
  readonly path: string
  /** Removes temporary files of names that start so: what a run that was killed has left. */
  clean(prefix: string): Promise<void>
}

/** `.NAME.RANDOM.tmp` */
const TEMPORARY = /^\.(.+)\.[0-9a-f]{16}\.tmp$/

/**
 * A directory as a store: one file for each artifact, readable by its owner only.
 * A file appears under its name when it is whole and on disk: temporary name, fsync, rename, fsync of the directory.
 * The directory is made when it is first needed. Memory: one chunk for each call.
 *
 * @throws TypeError at the call for anything but a path.
 */
export function directoryStore(path: string): DirectoryStore {
  if (typeof path !== 'string' || path === '') throw new TypeError('directoryStore: a path is expected')
  return new Directory(resolve(path))
}

class Directory implements DirectoryStore {
  readonly id: string

  constructor(readonly path: string) {
    this.id = `directory-${createHash('sha256').update(path).digest('hex').slice(0, 16)}`
  }

  async put(name: string, source: Source<Uint8Array>, options: StoreOptions = {}): Promise<void> {
    checkName(name)
    await this.#publish(name, source, options, async temporary => {
      await rename(temporary, join(this.path, name))
      return true
    })
  }

  async create(name: string, bytes: Uint8Array, options: StoreOptions = {}): Promise<boolean> {
    checkName(name)
    return this.#publish(name, [bytes], options, async temporary => {
      try {
        await link(temporary, join(this.path, name))
        return true
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
        throw error
      } finally {
        await unlink(temporary)
      }
    })
  }

  async *get(name: string, range: ByteRange = { start: 0 }, { signal }: StoreOptions = {}) {
    checkName(name)
    const file = await open(join(this.path, name)).catch(cause => failed('read', name, cause))
    try {
      for (let at = range.start; at < (range.end ?? Infinity); ) {
        signal?.throwIfAborted()
        const buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, (range.end ?? Infinity) - at))
        const { bytesRead } = await file.read(buffer, 0, buffer.length, at).catch(cause => failed('read', name, cause))
        if (bytesRead === 0) return
        at += bytesRead
        yield buffer.subarray(0, bytesRead) as Uint8Array
      }
    } finally {
      await file.close()
    }
  }

  async *list(prefix = '', { signal }: StoreOptions = {}): AsyncGenerator<StoredName, void, undefined> {
    for (const name of await this.#names()) {
      if (name.startsWith('.') || !name.startsWith(prefix)) continue
      signal?.throwIfAborted()
      const stats = await stat(join(this.path, name)).catch(() => undefined)
      if (stats?.isFile()) yield { name, sizeBytes: stats.size }
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name)
    await unlink(join(this.path, name)).catch(cause => (isMissing(cause) ? undefined : failed('delete', name, cause)))
  }

  async clean(prefix: string): Promise<void> {
    for (const name of await this.#names()) {
      if (TEMPORARY.exec(name)?.[1]?.startsWith(prefix)) await unlink(join(this.path, name)).catch(() => {})
    }
  }

  /** In byte order, which is that of the names: they are ASCII but for foreign files. */
  async #names(): Promise<string[]> {
    const names = await readdir(this.path).catch(cause => (isMissing(cause) ? [] : failed('list', this.path, cause)))
    return names.sort()
  }

  async #publish(
    name: string,
    source: Source<Uint8Array>,
    { signal }: StoreOptions,
    appear: (temporary: string) => Promise<boolean>
  ): Promise<boolean> {
    signal?.throwIfAborted()
    const temporary = join(this.path, `.${name}.${randomBytes(8).toString('hex')}.tmp`)
    const file = await this.#openNew(temporary).catch(cause => failed('write', name, cause))
    try {
      try {
        for await (const chunk of source) {
          signal?.throwIfAborted()
          await writeAll(file, chunk).catch(cause => failed('write', name, cause))
        }
        signal?.throwIfAborted()
        await file.sync().catch(cause => failed('write', name, cause))
      } finally {
        await file.close()
      }
      const hasAppeared = await appear(temporary).catch(cause => failed('publish', name, cause))
      await syncDirectory(this.path)
      return hasAppeared
    } catch (error) {
      await unlink(temporary).catch(() => {})
      throw error
    }
  }

  async #openNew(path: string): Promise<FileHandle> {
    try {
      return await open(path, 'wx', 0o600)
    } catch (error) {
      if (!isMissing(error)) throw error
      await mkdir(this.path, { recursive: true, mode: 0o700 })
      return open(path, 'wx', 0o600)
    }
  }
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await file.write(chunk, at, chunk.length - at)).bytesWritten
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path)
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function checkName(name: string): void {
  if (name !== '' && !name.startsWith('.') && !/[/\0]/.test(name)) return
  throw new BackupError('IBT_NAME_INVALID', `${JSON.stringify(name)} is no name for an artifact`, { path: name })
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

function failed(action: string, name: string, cause: unknown): never {
  throw new BackupError('IBT_STORE_FAILED', `Cannot ${action} ${name}`, { path: name, cause })
}
