import { Backlog } from '../../flow/backlog.js'
import type { Connection } from './connection.js'
import { Frame, violation } from './frames.js'
import { WINDOW_BYTES } from './messages.js'

/** Bytes of one window, at most: 80 MB/s where an answer takes 200 ms. */
const WIDEST_BYTES = 16 * 1024 * 1024

/**
 * One call on a connection. Bytes flow in both directions, each within a window of its own: one call that does not read
 * holds up no other. The window of a call whose reader has to wait for the other side is widened.
 * Memory: `WINDOW_BYTES`, at most 16 MiB while the connection has as much to share.
 */
export class Call {
  readonly #incoming = new Backlog()
  #unreadBytes = 0
  #readBytes = 0
  #windowBytes = WINDOW_BYTES
  #isOver = false
  #credit: number
  #failure: { readonly error: unknown } | undefined
  #wake: (() => void) | undefined

  constructor(
    readonly connection: Connection,
    readonly id: number,
    windowBytes: number
  ) {
    this.#credit = windowBytes
  }

  /** What the other side sent. @throws BackupError IBT_STORE_FAILED beyond the window */
  receive(bytes: Uint8Array): void {
    this.#unreadBytes += bytes.length
    if (this.#unreadBytes > this.#windowBytes) throw violation('more bytes than were granted')
    this.#incoming.push(bytes)
  }

  /** The other side's bytes have ended. */
  end(): void {
    this.#incoming.end()
  }

  /** Ends both directions with an error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#incoming.fail(error)
    this.#wake?.()
  }

  /** The other side takes more. */
  grant(bytes: number): void {
    this.#credit += bytes
    if (this.#credit > Number.MAX_SAFE_INTEGER) throw violation('a window of no size')
    this.#wake?.()
  }

  /** What the other side sends. It may send more when this has been read. */
  async *read(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const bytes of this.#incoming) {
      yield bytes
      this.#readBytes += bytes.length
      if (this.#readBytes >= this.#windowBytes / 4) this.#takeMore()
    }
  }

  /** Gives back what its window was widened by. */
  close(): void {
    this.#isOver = true
    this.connection.sharedBytes += this.#windowBytes - WINDOW_BYTES
    this.#windowBytes = WINDOW_BYTES
  }

  #takeMore(): void {
    if (this.#isOver) return
    const more = this.#incoming.sizeBytes === 0 ? this.#widen() : 0
    const credit = Buffer.alloc(4)
    credit.writeUInt32BE(this.#readBytes + more)
    this.#unreadBytes -= this.#readBytes
    this.#readBytes = 0
    this.connection.send(Frame.credit, this.id, credit)
  }

  /** Twice as wide, if there is room. */
  #widen(): number {
    const more = Math.min(this.#windowBytes, WIDEST_BYTES - this.#windowBytes, this.connection.sharedBytes)
    this.connection.sharedBytes -= more
    this.#windowBytes += more
    return more
  }

  /** Sends bytes as the other side takes them. @throws what the call failed with */
  async send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#credit === 0) {
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
        continue
      }
      const part = bytes.subarray(at, at + this.#credit)
      this.#credit -= part.length
      at += part.length
      await this.connection.sendData(this.id, part)
    }
  }
}
