import { BackupError } from '../errors.js'
import { isZeros } from '../format/sparse-map.js'
import { printPath } from '../path.js'
import type { Extent } from '../types.js'

/** Takes the extents out of the bytes of a sparse file, which come in order. */
export class DataFilter {
  readonly dataBytes: number
  #position = 0
  #next = 0

  constructor(
    readonly path: string,
    readonly extents: readonly Extent[]
  ) {
    this.dataBytes = extents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  }

  /** Views of the data in the next bytes. @throws BackupError IBT_FILE_CHANGED if a hole is not all zeros */
  *take(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    const start = this.#position
    const end = (this.#position += bytes.length)
    let at = start
    for (; this.#next < this.extents.length && at < end; this.#next++) {
      const { offset, sizeBytes } = this.extents[this.#next]!
      const dataStart = Math.min(Math.max(offset, at), end)
      const dataEnd = Math.min(offset + sizeBytes, end)
      this.#checkHole(bytes, at - start, dataStart - start)
      if (dataEnd > dataStart) yield bytes.subarray(dataStart - start, dataEnd - start)
      at = Math.max(dataStart, dataEnd)
      if (offset + sizeBytes > end) break
    }
    this.#checkHole(bytes, at - start, end - start)
  }

  #checkHole(bytes: Uint8Array, start: number, end: number): void {
    if (start >= end || isZeros(bytes.subarray(start, end))) return
    const message = `${printPath(this.path)} has data where its entry says that there is a hole`
    throw new BackupError('IBT_FILE_CHANGED', message, { path: this.path })
  }
}
