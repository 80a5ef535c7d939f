import { ftruncate, write } from 'node:fs'
import { promisify } from 'node:util'
import { HOLE_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { isZeros } from '../format/sparse-map.js'
import { makeHole } from '../native/share.js'
import { syncDescriptor } from '../native/sync.js'
import { closeDescriptor, openFile } from '../native.js'
import { encodePath, printPath } from '../path.js'
import { SharedBlocks, type SharedBlocksOptions } from './shared-blocks.js'

const writeFile = promisify(write)
const truncateFile = promisify(ftruncate)

export interface LargeFileOptions extends SharedBlocksOptions {
  /** Whether blocks of zeros become holes. */
  readonly sparse: boolean
}

/** What was written. */
export interface LargeFile {
  readonly sizeBytes: number
  /** Of these, bytes in blocks that are shared with an old version. */
  readonly sharedBytes: number
}

/**
 * Writes chunks into a new file, and syncs it; those that `open` makes of blocks that it shares are there already. When it
 * settles, nothing is written any more.
 * Memory: two chunks, one that is being written and the next.
 *
 * @throws BackupError IBT_WRITE_FAILED; what the chunks throw.
 */
export async function writeLargeFile(
  root: number,
  path: string,
  open: (shared: SharedBlocks) => AsyncIterable<Uint8Array>,
  { sparse, ...options }: LargeFileOptions
): Promise<LargeFile> {
  const { fd, stat } = await openFile(root, encodePath(path), 'create', options.signal)
  const shared = new SharedBlocks(fd, stat.devs[0]!, options)
  const file = new Output(fd, path, shared)
  let end = 0
  let writing: Promise<void> | undefined
  try {
    for await (const chunk of open(shared)) {
      await writing
      writing = sparse ? file.writeSparse(chunk, end) : file.write(chunk, end)
      writing.catch(() => {})
      end += chunk.length
    }
    await writing
    await file.finish(end)
    return { sizeBytes: end, sharedBytes: shared.sizeBytes }
  } finally {
    await writing?.catch(() => {})
    await shared.idle()
    await file.close()
  }
}

/** A file that is being written: its errors are told apart from those of a content. */
class Output {
  constructor(
    readonly fd: number,
    readonly path: string,
    readonly shared: SharedBlocks
  ) {}

  async write(bytes: Uint8Array, position: number): Promise<void> {
    if (this.shared.has(position)) return
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#try(writeFile(this.fd, bytes, at, bytes.length - at, position + at))
      at += bytesWritten
    }
  }

  /** As `write`, but blocks of zeros become holes, also where they are shared. */
  async writeSparse(bytes: Uint8Array, position: number): Promise<void> {
    for (const { from, to, isHole } of partsOf(bytes, position)) {
      if (!isHole) await this.write(bytes.subarray(from, to), position + from)
      else if (this.shared.has(position + from))
        await this.#try(makeHole({ fd: this.fd, at: position + from }, to - from))
    }
  }

  /** Truncating makes a hole at the end, which no write makes. */
  async finish(sizeBytes: number): Promise<void> {
    await this.#try(truncateFile(this.fd, sizeBytes))
    await this.#try(syncDescriptor(this.fd))
  }

  /** A network file system may report only now that a write has failed. */
  async close(): Promise<void> {
    await this.#try(closeDescriptor(this.fd))
  }

  async #try<T>(call: Promise<T>): Promise<T> {
    const { path } = this
    return call.catch(cause => {
      throw new BackupError('IBT_WRITE_FAILED', `Cannot write ${printPath(path)}`, { path, cause })
    })
  }
}

/** The parts of a chunk that are blocks of zeros of the file, and those that are not. */
function* partsOf(chunk: Uint8Array, position: number): Generator<{ from: number; to: number; isHole: boolean }> {
  let from = 0
  let isHole = false
  for (let at = 0; at < chunk.length; ) {
    const end = Math.min(chunk.length, at + HOLE_BYTES - ((position + at) % HOLE_BYTES))
    const isZero = isZeros(chunk.subarray(at, end))
    if (isZero !== isHole && at > from) {
      yield { from, to: at, isHole }
      from = at
    }
    isHole = isZero
    at = end
  }
  if (from < chunk.length) yield { from, to: chunk.length, isHole }
}
