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
  /** Whether blocks of zeros become holes. */
  readonly sparse: boolean
  readonly signal: AbortSignal | undefined
}

/**
 * Writes chunks into a new file, and syncs it. Resolves to its size. When it settles, nothing is written any more.
 * Memory: two chunks, one that is being written and the next.
 *
 * @throws BackupError IBT_WRITE_FAILED; what the chunks throw.
 */
export async function writeLargeFile(
  root: number,
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

/** A file that is being written: its errors are told apart from those of a content. */
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

  /** As `write`, but blocks of zeros become holes. */
  async writeData(bytes: Uint8Array, position: number): Promise<void> {
    for (const data of dataOf(bytes, position)) await this.write(data.bytes, data.start)
  }

  /** Truncating makes a hole at the end, which no write makes. */
  async finish(sizeBytes: number): Promise<void> {
    await this.#try(truncateFile(this.fd, sizeBytes))
    await this.#try(syncDescriptor(this.fd))
  }

  /** A network file system may report only now that a write has failed. */
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

/** The parts of a chunk that are not blocks of zeros of the file. */
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
