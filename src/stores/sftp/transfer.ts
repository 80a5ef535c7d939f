import { CHUNK_BYTES } from '../../constants.js'
import { abortable, untilAbort } from '../../flow/abortable.js'
import { readBuffer } from '../../flow/memory.js'
import type { Connection } from './connection.js'

/** Bytes of one request: OpenSSH takes twice as many. For other servers, ssh2 makes requests one after the other of it. */
const REQUEST_BYTES = 128 * 1024
/** Requests of one put that wait for their answer, at most: 2 MiB, what OpenSSH's window takes. */
const WRITES_IN_FLIGHT = 16
/** Chunks of one get that are asked for ahead of the reader. */
const CHUNKS_IN_FLIGHT = 2

/**
 * Writes all chunks to a new file. Memory: `WRITES_IN_FLIGHT` requests, about twice, as they are encrypted.
 * A connection that breaks ends it although the chunks are silent.
 *
 * @throws what a request or the chunks fail with, when no request is under way any more
 */
export async function writeChunks(
  connection: Connection,
  handle: Buffer,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined
): Promise<void> {
  const writes = new Writes(connection, handle)
  try {
    for await (const chunk of abortable(chunks, connection.lost)) {
      for (let at = 0; at < chunk.length; at += REQUEST_BYTES) {
        const room = writes.add(chunk.subarray(at, at + REQUEST_BYTES))
        if (room !== undefined) await untilAbort(room, signal)
      }
    }
    await untilAbort(writes.ended(), signal)
  } catch (error) {
    // A file must not change after the call.
    await writes.ended().catch(() => {})
    throw error
  }
}

class Writes {
  #position = 0
  #underWay = 0
  #failure: { readonly error: unknown } | undefined
  #changed: (() => void) | undefined

  constructor(
    readonly connection: Connection,
    readonly handle: Buffer
  ) {}

  /** Sends a request; a promise if the next one has to wait. The bytes are copied. */
  add(bytes: Uint8Array): Promise<void> | undefined {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const position = this.#position
    this.#position += bytes.length
    this.#underWay++
    this.connection
      .request((sftp, done) => sftp.write(this.handle, buffer, 0, buffer.length, position, done))
      .catch(error => {
        this.#failure ??= { error }
      })
      .finally(() => {
        this.#underWay--
        this.#changed?.()
      })
    return this.#underWay < WRITES_IN_FLIGHT && this.#failure === undefined
      ? undefined
      : this.#until(() => this.#underWay < WRITES_IN_FLIGHT)
  }

  ended(): Promise<void> {
    return this.#until(() => this.#underWay === 0)
  }

  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      await new Promise<void>(resolve => {
        this.#changed = resolve
      })
    }
    if (this.#failure !== undefined) throw this.#failure.error
  }
}

/**
 * Bytes of a file from `start` up to `end` or its end, in chunks of `CHUNK_BYTES`. Memory: `CHUNKS_IN_FLIGHT` chunks.
 * @throws what a request fails with
 */
export async function* readChunks(
  connection: Connection,
  handle: Buffer,
  start: number,
  end: number
): AsyncGenerator<Uint8Array, void, undefined> {
  const ahead: { readonly length: number; readonly chunk: Promise<Uint8Array> }[] = []
  let next = start
  const ask = () => {
    if (next >= end) return
    const length = Math.min(CHUNK_BYTES, end - next)
    const chunk = readChunk(connection, handle, next, length)
    // It is heard when its turn comes.
    chunk.catch(() => {})
    ahead.push({ length, chunk })
    next += length
  }
  for (let i = 0; i < CHUNKS_IN_FLIGHT; i++) ask()
  for (;;) {
    const first = ahead.shift()
    if (first === undefined) return
    const chunk = await first.chunk
    ask()
    if (chunk.length > 0) yield chunk
    if (chunk.length < first.length) return
  }
}

/** Fewer bytes than asked for: the file ends there. */
async function readChunk(
  connection: Connection,
  handle: Buffer,
  position: number,
  length: number
): Promise<Uint8Array> {
  const buffer = readBuffer(length)
  const parts: Promise<number>[] = []
  for (let at = 0; at < length; at += REQUEST_BYTES) {
    parts.push(readPart(connection, handle, buffer.subarray(at, at + REQUEST_BYTES), position + at))
  }
  const read = await Promise.all(parts)
  const short = read.findIndex((bytes, i) => bytes < Math.min(REQUEST_BYTES, length - i * REQUEST_BYTES))
  return short === -1 ? buffer : buffer.subarray(0, short * REQUEST_BYTES + read[short]!)
}

async function readPart(connection: Connection, handle: Buffer, part: Buffer, position: number): Promise<number> {
  for (let at = 0; at < part.length; ) {
    const bytes = await connection.request<number>((sftp, done) =>
      sftp.read(handle, part, at, part.length - at, position + at, done)
    )
    if (bytes === 0) return at
    at += bytes
  }
  return part.length
}
