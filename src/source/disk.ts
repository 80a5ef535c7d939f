import { read } from 'node:fs'
import { promisify } from 'node:util'
import { CHUNK_BYTES, RACY_MS } from '../constants.js'
import { BackupError } from '../errors.js'
import { readBuffer } from '../flow/memory.js'
import { closeDescriptor, type OpenFile, openFile, type StatColumns } from '../native.js'
import { encodePath, printPath } from '../path.js'
import type { Content, Entry, Look } from '../types.js'

const readFile = promisify(read)

/** What a file was when it was listed: a row of columns. */
export interface StatRow {
  readonly stat: StatColumns
  readonly index: number
}

/**
 * The content of a file below a root: it says where it is, whatever the path of the entry that has it. `sign` knows it
 * and reads small ones in batches.
 * Opened beneath the root without following links. Memory: one chunk of `CHUNK_BYTES`.
 */
export class DiskContent implements Content {
  constructor(
    /** Bytes of the root's absolute path. */
    readonly root: Uint8Array,
    readonly path: string,
    readonly listed?: StatRow
  ) {}

  get isRepeatable(): boolean {
    return true
  }

  /** For a content that stands in the place of this one. */
  get look(): (() => Promise<Look>) | undefined {
    const { listed } = this
    return listed && (() => this.#lookAgain(listed))
  }

  /** @throws BackupError IBT_READ_FAILED */
  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    const { fd, stat } = await this.openFile()
    const sizeBytes = Number(stat.sizes[0])
    try {
      for (let at = 0, isEnded = false; !isEnded; ) {
        // A byte more than there should be: a chunk that is not full is the last.
        const wanted = Math.min(CHUNK_BYTES, Math.max(sizeBytes - at, 0) + 1)
        const chunk = await this.#read(fd, at, wanted)
        if (chunk.length > 0) yield chunk
        isEnded = chunk.length < wanted
        at += chunk.length
      }
    } finally {
      await closeDescriptor(fd)
    }
  }

  /** A system error does not say which file it is of. */
  #read(fd: number, position: number, bytes: number): Promise<Uint8Array> {
    return readChunk(fd, position, bytes).catch(cause => {
      throw readFailed(this, cause)
    })
  }

  async #lookAgain({ stat: was, index }: StatRow): Promise<Look> {
    const { fd, stat, isSettled } = await this.openFile()
    await closeDescriptor(fd)
    const isSame =
      stat.inos[0] === was.inos[index] &&
      stat.sizes[0] === was.sizes[index] &&
      stat.mtimesNs[0] === was.mtimesNs[index] &&
      stat.ctimesNs[0] === was.ctimesNs[index]
    return { dirty: !isSettled || !isSame, racy: isNow(stat.mtimesNs[0]!) || isNow(stat.ctimesNs[0]!) }
  }

  openFile(signal?: AbortSignal): Promise<OpenFile> {
    return openFile(this.root, encodePath(this.path), 'read', signal)
  }
}

/** The bytes of an open file from a position on, in fresh memory; fewer at its end only, where there are none. */
export function readChunk(fd: number, position: number, maxBytes = CHUNK_BYTES): Promise<Uint8Array> {
  return readInto(fd, position, readBuffer(maxBytes))
}

/** As `readChunk`, into a buffer: gives the part of it that was filled. */
export async function readInto(fd: number, position: number, buffer: Uint8Array): Promise<Uint8Array> {
  for (let filled = 0; filled < buffer.length; ) {
    const { bytesRead } = await readFile(fd, buffer, filled, buffer.length - filled, position + filled)
    if (bytesRead === 0) return buffer.subarray(0, filled)
    filled += bytesRead
  }
  return buffer
}

/** Whether a time proves nothing of what changes now. One far in the future is no more in doubt than an old one. */
export function isNow(ns: bigint): boolean {
  return Math.abs(Date.now() - Number(ns / 1_000_000n)) <= RACY_MS
}

export function readFailed({ path }: Pick<Entry, 'path'>, cause: unknown): BackupError {
  return new BackupError('IBT_READ_FAILED', `Cannot read ${printPath(path)}`, { path, cause })
}

export function isNotFound(error: BackupError | undefined): boolean {
  return (error?.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
}

export function noFile({ path }: Entry): BackupError {
  const message = `${printPath(path)} was a regular file when it was listed and is not one now`
  return new BackupError('IBT_FILE_CHANGED', message, { path })
}
