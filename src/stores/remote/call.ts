import { Backlog } from '../../flow/backlog.js'
import type { Connection } from './connection.js'
import { Frame, violation } from './frames.js'
import { WINDOW_BYTES } from './messages.js'

/**
 * One call on a connection. Bytes flow in both directions, each within a window of its own: one call that does not read
 * holds up no other.
 * Memory: `WINDOW_BYTES`.
 */
export class Call {
  readonly #incoming = new Backlog()
  #unreadBytes = 0
  #readBytes = 0
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
    if (this.#unreadBytes > WINDOW_BYTES) throw violation('more bytes than were granted')
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
      if (this.#readBytes < WINDOW_BYTES / 4) continue
      const credit = Buffer.alloc(4)
      credit.writeUInt32BE(this.#readBytes)
      this.#unreadBytes -= this.#readBytes
      this.#readBytes = 0
      this.connection.send(Frame.credit, this.id, credit)
    }
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
