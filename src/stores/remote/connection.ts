import type { Readable, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { BackupError } from '../../errors.js'
import { DATA_BYTES, encodeHeader, Frame, type FrameHandler, FrameReader, type FrameType, violation } from './frames.js'

/** What two processes speak over: a socket, a WebSocket stream, the pipes of a child. */
export type Wire = (Readable & Writable) | { readonly readable: Readable; readonly writable: Writable }

/** Bytes by which the windows of all calls together are widened, at most. */
const SHARED_BYTES = 32 * 1024 * 1024
/** Bytes that wait to be written, at most: a peer that does not read its answers is cut off. */
const UNREAD_BYTES_MAX = 64 * 1024 * 1024

/**
 * Frames over a wire. It never stops reading: what it reads is bounded by the windows that it grants.
 * A peer from which nothing comes for twice `keepAliveMs` is taken as gone.
 */
export class Connection {
  readonly #readable: Readable
  readonly #writable: Writable
  readonly #timer: NodeJS.Timeout
  #heard = true
  #isDestroyed = false
  #waiting: (() => void)[] = []
  #error: BackupError | undefined
  /** Bytes by which windows may still be widened. */
  sharedBytes = SHARED_BYTES
  /** Resolves when nothing more is read: to why, if it was not the end. */
  readonly closed: Promise<BackupError | undefined>

  constructor(wire: Wire, handler: FrameHandler, keepAliveMs: number) {
    this.#readable = 'readable' in wire && typeof wire.readable === 'object' ? wire.readable : (wire as Readable)
    this.#writable = 'writable' in wire && typeof wire.writable === 'object' ? wire.writable : (wire as Writable)
    this.#writable.on('error', error => this.destroy(error))
    this.#writable.on('close', () => this.destroy(undefined))
    this.#writable.on('drain', () => this.#wake())
    answerAtOnce(this.#writable)
    this.#timer = setInterval(() => this.#keepAlive(), keepAliveMs)
    this.#timer.unref()
    this.closed = this.#read(handler)
  }

  /** Why nothing can be sent any more. */
  get error(): BackupError | undefined {
    return this.#error
  }

  send(type: FrameType, call: number, payload?: Uint8Array): void {
    if (!this.#canSend()) return
    this.#writable.cork()
    this.#write(type, call, payload)
    this.#writable.uncork()
  }

  /** Sends bytes, in one write of several frames. Resolves when the wire takes more. @throws what cut the connection */
  async sendData(call: number, bytes: Uint8Array): Promise<void> {
    if (this.#canSend()) {
      this.#writable.cork()
      for (let at = 0; at < bytes.length; at += DATA_BYTES)
        this.#write(Frame.data, call, bytes.subarray(at, at + DATA_BYTES))
      this.#writable.uncork()
    }
    await this.drained()
    if (this.#error !== undefined) throw this.#error
  }

  #canSend(): boolean {
    if (this.#error === undefined && this.#writable.writableLength > UNREAD_BYTES_MAX)
      this.destroy(violation('it does not read'))
    return this.#error === undefined
  }

  #write(type: FrameType, call: number, payload?: Uint8Array): void {
    this.#writable.write(encodeHeader(type, call, payload?.length ?? 0))
    if (payload !== undefined && payload.length > 0) this.#writable.write(payload)
  }

  /** Resolves when the wire takes more, or is cut. */
  async drained(): Promise<void> {
    if (!this.#writable.writableNeedDrain || this.#error !== undefined) return
    await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  /** Says that nothing more is sent. */
  end(): void {
    this.#writable.end()
  }

  /** Cuts the connection. */
  destroy(cause: unknown): void {
    this.#error ??= toLost(cause)
    // A standard output opens again when it is destroyed.
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    clearInterval(this.#timer)
    this.#writable.destroy()
    this.#readable.destroy()
    this.#wake()
  }

  /** Says whether the wire keeps the process alive. False if it does, whatever is wanted: it has no `unref`. */
  keepsAlive(isKept: boolean): boolean {
    const sides = [...new Set<Readable | Writable>([this.#readable, this.#writable])]
    const change = isKept ? 'ref' : 'unref'
    const has = sides.filter(side => typeof (side as { unref?: unknown }).unref === 'function')
    for (const side of has) (side as unknown as Record<'ref' | 'unref', () => unknown>)[change]()
    return has.length === sides.length
  }

  /** In flowing mode: an iterator would stop and start the wire at every chunk. */
  async #read(handler: FrameHandler): Promise<BackupError | undefined> {
    const reader = new FrameReader(handler)
    this.#readable.on('data', chunk => {
      this.#heard = true
      try {
        if (!this.#isDestroyed) reader.push(chunk)
      } catch (error) {
        this.destroy(error)
      }
    })
    const failure = await finished(this.#readable, { writable: false }).then(
      () => undefined,
      error => this.#error ?? toLost(error)
    )
    this.#error ??= failure ?? toLost(undefined)
    clearInterval(this.#timer)
    this.#wake()
    if (failure !== undefined) this.destroy(failure)
    return failure
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  #keepAlive(): void {
    if (this.#heard) this.send(Frame.ping, 0)
    else setImmediate(() => this.#giveUp())
    this.#heard = false
  }

  /** Where this process itself stood still, what has arrived meanwhile is read first. */
  #giveUp(): void {
    if (!this.#heard) this.destroy(new Error('Nothing was heard of the other side'))
  }
}

/** A small frame behind another one does not wait for the other side's acknowledgement: 40 ms, on many systems. */
function answerAtOnce(wire: Writable): void {
  const { setNoDelay } = wire as { readonly setNoDelay?: (noDelay: boolean) => unknown }
  setNoDelay?.call(wire, true)
}

function toLost(cause: unknown): BackupError {
  if (cause instanceof BackupError) return cause
  return new BackupError('IBT_STORE_FAILED', 'The connection to the store was lost', { cause })
}
