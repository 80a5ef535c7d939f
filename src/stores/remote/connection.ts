import type { Readable, Writable } from 'node:stream'
import { BackupError } from '../../errors.js'
import { DATA_BYTES, encodeHeader, Frame, type FrameHandler, FrameReader, type FrameType, violation } from './frames.js'

/** What two processes speak over: a socket, a WebSocket stream, the pipes of a child. */
export type Wire = (Readable & Writable) | { readonly readable: Readable; readonly writable: Writable }

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
  /** Resolves when nothing more is read: to why, if it was not the end. */
  readonly closed: Promise<BackupError | undefined>

  constructor(wire: Wire, handler: FrameHandler, keepAliveMs: number) {
    this.#readable = 'readable' in wire && typeof wire.readable === 'object' ? wire.readable : (wire as Readable)
    this.#writable = 'writable' in wire && typeof wire.writable === 'object' ? wire.writable : (wire as Writable)
    this.#writable.on('error', error => this.destroy(error))
    this.#writable.on('close', () => this.destroy(undefined))
    this.#writable.on('drain', () => this.#wake())
    this.#timer = setInterval(() => this.#keepAlive(), keepAliveMs)
    this.#timer.unref()
    this.closed = this.#read(handler)
  }

  /** Why nothing can be sent any more. */
  get error(): BackupError | undefined {
    return this.#error
  }

  send(type: FrameType, call: number, payload?: Uint8Array): void {
    if (this.#error !== undefined) return
    if (this.#writable.writableLength > UNREAD_BYTES_MAX) {
      this.destroy(violation('it does not read'))
      return
    }
    this.#writable.cork()
    this.#writable.write(encodeHeader(type, call, payload?.length ?? 0))
    if (payload !== undefined && payload.length > 0) this.#writable.write(payload)
    this.#writable.uncork()
  }

  /** Sends a part of what is given; says how much. Waits until the wire takes it. @throws what cut the connection */
  async sendData(call: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += DATA_BYTES) {
      if (this.#error !== undefined) throw this.#error
      this.send(Frame.data, call, bytes.subarray(at, at + DATA_BYTES))
      await this.drained()
    }
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

  /** Whether the wire keeps the process alive. */
  keepsAlive(isKept: boolean): void {
    for (const side of new Set<Readable | Writable>([this.#readable, this.#writable])) {
      const { ref, unref } = side as { ref?: () => unknown; unref?: () => unknown }
      if (isKept) ref?.call(side)
      else unref?.call(side)
    }
  }

  async #read(handler: FrameHandler): Promise<BackupError | undefined> {
    const reader = new FrameReader(handler)
    let failure: BackupError | undefined
    try {
      for await (const chunk of this.#readable) {
        this.#heard = true
        reader.push(chunk)
      }
    } catch (error) {
      failure = this.#error ?? toLost(error)
    }
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
    else this.destroy(new Error('Nothing was heard of the other side'))
    this.#heard = false
  }
}

function toLost(cause: unknown): BackupError {
  if (cause instanceof BackupError) return cause
  return new BackupError('IBT_STORE_FAILED', 'The connection to the store was lost', { cause })
}
