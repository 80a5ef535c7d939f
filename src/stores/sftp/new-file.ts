import { posix } from 'node:path'
import { temporaryName } from '../temporary-names.js'
import { type Connection, isStatus } from './connection.js'
import { writeChunks } from './transfer.js'

/** How often a link is tried if its name is said to be taken, and then is not there. */
const LINKS_MAX = 3

/** A file that is written under a temporary name beside its own. */
export class NewFile {
  #handle: Buffer | undefined

  private constructor(
    readonly connection: Connection,
    readonly path: string,
    readonly temporary: string,
    handle: Buffer
  ) {
    this.#handle = handle
  }

  /** Creates the temporary file, and the directory if that is missing. */
  static async open(connection: Connection, directory: string, name: string, signal?: AbortSignal): Promise<NewFile> {
    const temporary = posix.join(directory, temporaryName(name))
    const handle = await openNew(connection, temporary)
    const file = new NewFile(connection, posix.join(directory, name), temporary, handle)
    // Nobody waits for it any more.
    if (signal?.aborted) await file.discard()
    signal?.throwIfAborted()
    return file
  }

  /** Writes all chunks to the disk. */
  async write(chunks: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const handle = this.#handle!
    try {
      await writeChunks(this.connection, handle, chunks, signal)
      // The server gives the number of a closed handle to the next file.
      this.#handle = undefined
      await this.connection.finish(handle)
    } catch (error) {
      throw isStatus(error, 'FAILURE') ? await this.#explain(error as Error) : error
    }
    signal?.throwIfAborted()
  }

  /** Gives the file its name, in place of what has it. */
  async publish(path = this.path): Promise<void> {
    await replace(this.connection, this.temporary, path)
  }

  /** Gives the bytes, which have been written, their name if that is free. */
  async publishIfFree(bytes: Uint8Array): Promise<boolean> {
    for (let i = 0; i < LINKS_MAX; i++) {
      const isFirst = await link(this.connection, this.temporary, this.path)
      if (isFirst !== undefined) return isFirst
    }
    return this.#createExclusively(bytes)
  }

  /** Removes the temporary file, if it can. */
  async discard(): Promise<void> {
    if (this.#handle !== undefined) this.connection.closeUnheard(this.#handle)
    this.#handle = undefined
    await this.connection.unlink(this.temporary).catch(() => {})
  }

  /** Where there are no hard links: only one can create the file, but for a moment it is empty. */
  async #createExclusively(bytes: Uint8Array): Promise<boolean> {
    const { connection, path } = this
    let handle: Buffer
    try {
      handle = await connection.open(path, 'wx')
    } catch (error) {
      if ((await connection.stat(path)) !== undefined) return false
      throw error
    }
    try {
      await writeChunks(connection, handle, once(bytes), undefined).catch(error => {
        connection.closeUnheard(handle)
        throw error
      })
      await connection.finish(handle)
      return true
    } catch (error) {
      await connection.unlink(path).catch(() => {})
      throw error
    }
  }

  async #explain(error: Error): Promise<Error> {
    if (!(await this.connection.isFull(posix.dirname(this.path)))) return error
    return Object.assign(new Error('No space left on the server', { cause: error }), { code: 'ENOSPC' })
  }
}

/** One chunk as a source of them. */
export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes
}

async function openNew(connection: Connection, path: string): Promise<Buffer> {
  try {
    return await connection.open(path, 'wx')
  } catch (error) {
    if (!isStatus(error, 'ENOENT')) throw error
    await makeDirectory(connection, posix.dirname(path))
    return connection.open(path, 'wx')
  }
}

async function makeDirectory(connection: Connection, path: string): Promise<void> {
  const make = () => connection.request((sftp, done) => sftp.mkdir(path, { mode: 0o700 }, done))
  try {
    await make()
  } catch (error) {
    const above = posix.dirname(path)
    if (isStatus(error, 'ENOENT') && above !== path) {
      await makeDirectory(connection, above)
      return makeDirectory(connection, path)
    }
    // Another call has made it meanwhile.
    if (!(await connection.stat(path))?.isDirectory()) throw error
  }
}

/**
 * Gives a file its name, in place of what has it. Where the server cannot do that in one step, the name is gone for a
 * moment: then a reader may miss it, but never sees half of it.
 */
async function replace(connection: Connection, from: string, to: string): Promise<void> {
  try {
    await connection.request((sftp, done) => sftp.ext_openssh_rename(from, to, done))
  } catch (error) {
    if (!isStatus(error, 'ENOTSUP')) throw error
    await renameOver(connection, from, to)
  }
}

async function renameOver(connection: Connection, from: string, to: string): Promise<void> {
  const rename = () => connection.request((sftp, done) => sftp.rename(from, to, done))
  try {
    await rename()
  } catch (error) {
    if (!(await connection.stat(to))?.isFile()) throw error
    await connection.unlink(to)
    await rename()
  }
}

/** Gives a whole file a second name if that is free. Undefined if it has none and nobody else has the name. */
async function link(connection: Connection, from: string, to: string): Promise<boolean | undefined> {
  try {
    await connection.request((sftp, done) => sftp.ext_openssh_hardlink(from, to, done))
    return true
  } catch (error) {
    if (connection.lost.aborted) throw error
    return (await connection.stat(to)) === undefined ? undefined : false
  }
}
