import { Duplex } from 'node:stream'
import type { Random } from './random.js'

/** Options of a line. */
export interface FarLineOptions {
  /** Milliseconds that bytes are under way. */
  readonly latencyMs?: number
  /** Cuts what is under way into chunks of random lengths. */
  readonly random?: Random
  /** Bytes of one direction after which the line is cut. */
  readonly cutAfter?: { readonly from: 'near' | 'far'; readonly bytes: number }
}

/** Bytes that are under way in one direction, at most. */
const WINDOW_BYTES = 256 * 1024

class End extends Duplex {
  other!: End
  /** Times at which something has arrived here. */
  arrivals = 0
  receivedBytes = 0
  #underWay: Buffer[] = []
  #underWayBytes = 0
  #waiting: (() => void) | undefined
  #hasEnded = false

  constructor(
    readonly options: FarLineOptions,
    readonly limit: number
  ) {
    super({ allowHalfOpen: true, highWaterMark: 64 * 1024 })
    this.on('error', () => {})
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    const { other } = this
    if (other.destroyed) {
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
      return
    }
    other.#take(chunk, done)
  }

  override _final(done: () => void): void {
    this.other.#hasEnded = true
    this.other.#schedule()
    done()
  }

  override _read(): void {
    this.#deliver()
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const { other } = this
    this.#waiting?.()
    setTimeout(() => {
      if (other.destroyed) return
      if (other.#hasEnded && error === null) other.#deliver()
      else other.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
    }, this.options.latencyMs ?? 0)
    done(error)
  }

  #take(chunk: Buffer, done: () => void): void {
    this.#underWay.push(chunk)
    this.#underWayBytes += chunk.length
    this.#schedule()
    if (this.#underWayBytes < WINDOW_BYTES) done()
    else this.#waiting = done
  }

  #timer: NodeJS.Timeout | undefined
  #arrived: (Buffer | null)[] = []

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.arrivals++
      const { random } = this.options
      for (const chunk of this.#underWay.splice(0)) {
        for (let at = 0; at < chunk.length; ) {
          const length = random === undefined ? chunk.length : 1 + random.int(random.chance(0.5) ? 64 : 100_000)
          this.#arrived.push(chunk.subarray(at, at + length))
          at += length
        }
      }
      if (this.#hasEnded) this.#arrived.push(null)
      this.#deliver()
    }, this.options.latencyMs ?? 0)
  }

  #deliver(): void {
    while (this.#arrived.length > 0 && !this.destroyed) {
      const chunk = this.#arrived.shift()!
      if (chunk !== null) {
        this.#underWayBytes -= chunk.length
        this.receivedBytes += chunk.length
        if (this.receivedBytes > this.limit) {
          this.other.destroy(new Error('cut'))
          this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
          return
        }
      }
      const hasRoom = this.push(chunk)
      if (this.#underWayBytes < WINDOW_BYTES && this.#waiting !== undefined) {
        const wake = this.#waiting
        this.#waiting = undefined
        wake()
      }
      if (!hasRoom) return
    }
  }
}

/** Two ends of a line with latency, small buffers and, if wanted, a cut. */
export function farLine(options: FarLineOptions = {}): { readonly near: End; readonly far: End } {
  const { cutAfter } = options
  const limitOf = (from: 'near' | 'far') => (cutAfter?.from === from ? cutAfter.bytes : Infinity)
  const near = new End(options, limitOf('far'))
  const far = new End(options, limitOf('near'))
  near.other = far
  far.other = near
  return { near, far }
}
