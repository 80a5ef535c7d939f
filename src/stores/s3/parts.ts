import { S3_PARTS_OF_A_SIZE } from '../../constants.js'

/** A piece of an object. */
export interface Part {
  readonly bytes: Buffer
  readonly isLast: boolean
}

/** Memory of parts that is used again when the server has them. */
export class PartBuffers {
  readonly #free: Buffer[] = []
  #sizeBytes: number
  #taken = 0

  constructor(partBytes: number) {
    this.#sizeBytes = partBytes
  }

  take(): Buffer {
    if (this.#taken++ === S3_PARTS_OF_A_SIZE) {
      this.#taken = 1
      this.#sizeBytes *= 2
      this.#free.length = 0
    }
    // Untouched, it is no memory yet.
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes)
  }

  giveBack(bytes: Buffer): void {
    if (bytes.length === this.#sizeBytes) this.#free.push(bytes)
  }
}

/** Parts as large as their buffers, and a last one that may be smaller, or empty if it is the only one. */
export async function* cutParts(
  chunks: AsyncIterable<Uint8Array>,
  buffers: PartBuffers
): AsyncGenerator<Part, undefined, undefined> {
  let buffer = buffers.take()
  let length = 0
  for await (let chunk of chunks) {
    while (chunk.length > 0) {
      if (length === buffer.length) {
        yield { bytes: buffer, isLast: false }
        buffer = buffers.take()
        length = 0
      }
      const head = chunk.subarray(0, buffer.length - length)
      buffer.set(head, length)
      length += head.length
      chunk = chunk.subarray(head.length)
    }
  }
  yield { bytes: buffer.subarray(0, length), isLast: true }
}
