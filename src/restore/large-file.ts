import { ftruncate, write } from 'node:fs'
import { promisify } from 'node:util'
import { HOLE_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { isZeros } from '../format/sparse-map.js'
import { syncDescriptor } from '../native/sync.js'
import { openFile } from '../native.js'
import { encodePath, printPath } from '../path.js'
import { closeFile } from '../source/disk.js'

const writeFile = promisify(write)
const truncateFile = promisify(ftruncate)

export interface LargeFileOptions {
  /** Leave out what is all zeros. */
  readonly sparse: boolean
  readonly signal: AbortSignal | undefined
}

/**
 * Makes a file of chunks, and writes it to the disk. Memory: two chunks, one that is being written and the next. Resolves to its size.
 *
 * @throws BackupError IBT_WRITE_FAILED; what the chunks throw.
 */
export async function writeLargeFile(
  root: Uint8Array,
  path: string,
  chunks: AsyncIterable<Uint8Array>,
  { sparse, signal }: LargeFileOptions
): Promise<number> {
  const { fd } = await openFile(root, encodePath(path), 'create', signal)
  const file = new Output(fd, path)
  let end = 0
  let writing: Promise<void> | undefined
  try {
    for await (const chunk of chunks) {
      await writing
      writing = sparse ? file.writeData(chunk, end) : file.write(chunk, end)
      writing.catch(() => {})
      end += chunk.length
    }
    await writing
    await file.finish(end)
    return end
  } finally {
    await writing?.catch(() => {})
    await file.close()
  }
}

/** Tells errors of the disk from those of a content. */
class Output {
  constructor(
    readonly fd: number,
    readonly path: string
  ) {}

  async write(bytes: Uint8Array, position: number): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#try(writeFile(this.fd, bytes, at, bytes.length - at, position + at))
      at += bytesWritten
    }
  }

  /** Leaves out what is all zeros. */
  async writeData(bytes: Uint8Array, position: number): Promise<void> {
    for (const data of dataOf(bytes, position)) await this.write(data.bytes, data.start)
  }

  /** A hole at the end is written by nobody. */
  async finish(sizeBytes: number): Promise<void> {
    await this.#try(truncateFile(this.fd, sizeBytes))
    await this.#try(syncDescriptor(this.fd))
  }

  /** A network file system may tell only now that a write has failed. */
  async close(): Promise<void> {
    await this.#try(closeFile(this.fd))
  }

  async #try<T>(call: Promise<T>): Promise<T> {
    const { path } = this
    return call.catch(cause => {
      throw new BackupError('IBT_WRITE_FAILED', `Cannot write ${printPath(path)}`, { path, cause })
    })
  }
}

/** The runs of blocks of a file that are not all zeros, as far as they lie in a chunk. */
function* dataOf(chunk: Uint8Array, position: number): Generator<{ start: number; bytes: Uint8Array }> {
  let from = 0
  for (let at = 0; at < chunk.length; ) {
    const end = Math.min(chunk.length, at + HOLE_BYTES - ((position + at) % HOLE_BYTES))
    if (isZeros(chunk.subarray(at, end))) {
      if (at > from) yield { start: position + from, bytes: chunk.subarray(from, at) }
      from = end
    }
    at = end
  }
  if (from < chunk.length) yield { start: position + from, bytes: chunk.subarray(from) }
}
