import { BackupError } from '../../errors.js'

/** What a frame is. Numbers are part of the protocol. */
export const Frame = {
  /** First of each side: what it is and can do. */
  hello: 0,
  /** Begins a call. */
  call: 1,
  /** Bytes of a call, within the window that the other side has granted. */
  data: 2,
  /** The caller's bytes have ended. */
  end: 3,
  /** So many more bytes may be sent. */
  credit: 4,
  /** The caller wants the call to stop. */
  cancel: 5,
  /** The call has succeeded. */
  result: 6,
  /** The call has failed; of call 0: the connection is refused. */
  error: 7,
  ping: 8,
  pong: 9
} as const

export type FrameType = (typeof Frame)[keyof typeof Frame]

/** Type, call, bytes of the payload: 1, 4 and 4 bytes, big endian. */
const HEADER_BYTES = 9
const TEXT_BYTES_MAX = 64 * 1024
/** Bytes of one frame of data: calls take turns with their frames. */
export const DATA_BYTES = 256 * 1024

/** Bytes of the payload of each type, at most. */
const PAYLOAD_MAX: readonly number[] = [
  ...[TEXT_BYTES_MAX, TEXT_BYTES_MAX, DATA_BYTES, 0, 4, 0, TEXT_BYTES_MAX, TEXT_BYTES_MAX, 0, 0]
]

/** What a reader of frames calls. */
export interface FrameHandler {
  /** A whole frame of any type but data. */
  onFrame(type: FrameType, call: number, payload: Uint8Array): void
  /** Bytes of a frame of data, as they come. */
  onData(call: number, bytes: Uint8Array): void
}

export function encodeHeader(type: FrameType, call: number, payloadBytes: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  header.writeUInt8(type, 0)
  header.writeUInt32BE(call, 1)
  header.writeUInt32BE(payloadBytes, 5)
  return header
}

/** The error of a peer that does not keep to the protocol. */
export function violation(what: string): BackupError {
  return new BackupError('IBT_STORE_FAILED', `The other side does not speak the protocol of stores: ${what}`)
}

/** Reads frames out of chunks of any size. Memory: one payload that is no data, at most 64 KiB. */
export class FrameReader {
  readonly #header = Buffer.alloc(HEADER_BYTES)
  #headerBytes = 0
  #payload: Buffer | undefined
  #payloadBytes = 0
  #dataLeft = 0

  constructor(readonly handler: FrameHandler) {}

  /** @throws BackupError IBT_STORE_FAILED for what is no frame: nothing can be read after it */
  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length; ) at += this.#take(chunk.subarray(at))
  }

  /** Takes some bytes; says how many. */
  #take(bytes: Uint8Array): number {
    if (this.#dataLeft > 0) {
      const part = bytes.subarray(0, this.#dataLeft)
      this.#dataLeft -= part.length
      this.handler.onData(this.#call, part)
      return part.length
    }
    if (this.#payload !== undefined) {
      const part = bytes.subarray(0, this.#payload.length - this.#payloadBytes)
      this.#payload.set(part, this.#payloadBytes)
      this.#payloadBytes += part.length
      if (this.#payloadBytes === this.#payload.length) this.#finish(this.#payload)
      return part.length
    }
    const part = bytes.subarray(0, HEADER_BYTES - this.#headerBytes)
    this.#header.set(part, this.#headerBytes)
    this.#headerBytes += part.length
    if (this.#headerBytes === HEADER_BYTES) this.#begin()
    return part.length
  }

  get #call(): number {
    return this.#header.readUInt32BE(1)
  }

  #begin(): void {
    this.#headerBytes = 0
    const type = this.#header.readUInt8(0)
    const sizeBytes = this.#header.readUInt32BE(5)
    const max = PAYLOAD_MAX[type]
    if (max === undefined) throw violation(`a frame of type ${type}`)
    if (sizeBytes > max || (type === Frame.credit && sizeBytes !== 4)) {
      throw violation(`a frame of type ${type} with ${sizeBytes} bytes`)
    }
    if (type === Frame.data) this.#dataLeft = sizeBytes
    else if (sizeBytes === 0) this.#finish(Buffer.alloc(0))
    else {
      this.#payload = Buffer.alloc(sizeBytes)
      this.#payloadBytes = 0
    }
  }

  #finish(payload: Buffer): void {
    this.#payload = undefined
    this.handler.onFrame(this.#header.readUInt8(0) as FrameType, this.#call, payload)
  }
}
