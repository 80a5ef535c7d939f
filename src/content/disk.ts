import { close, read } from 'node:fs'
import { promisify } from 'node:util'
import { CHUNK_BYTES } from '../constants.js'
import { openFile, type StatColumns } from '../native.js'
import { encodePath } from '../path.js'
import type { Content } from '../types.js'

export const closeFile = promisify(close)
const readFile = promisify(read)

/**
 * The content of a file below a root. `sign` knows it and reads small ones in batches.
 * Opened beneath the root without following links. Memory: one chunk of `CHUNK_BYTES`.
 */
export class DiskContent implements Content {
  constructor(
    /** Bytes of the root's absolute path. */
    readonly root: Uint8Array,
    readonly path: string
  ) {}

  /** @throws BackupError IBT_READ_FAILED */
  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    const { fd } = await this.openFile()
    try {
      let chunk: Uint8Array
      while ((chunk = await readChunk(fd)).length > 0) yield chunk
    } finally {
      await closeFile(fd)
    }
  }

  openFile(signal?: AbortSignal): Promise<{ fd: number; stat: StatColumns }> {
    return openFile(this.root, encodePath(this.path), 'read', signal)
  }
}

/** The next bytes of an open file, in fresh memory; empty at its end. */
export async function readChunk(fd: number, maxBytes = CHUNK_BYTES): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(maxBytes)
  const { bytesRead } = await readFile(fd, buffer, 0, maxBytes, null)
  return buffer.subarray(0, bytesRead)
}
