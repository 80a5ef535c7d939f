import { BackupError } from '../../errors.js'
import { onAbort } from '../../flow/on-abort.js'
import type { Wire } from './connection.js'
import { Frame } from './frames.js'
import { Link } from './link.js'
import type { Request } from './messages.js'

/** Milliseconds that a client waits for the other side. */
export interface Patience {
  /** Of silence, until the other side is asked whether it lives. */
  readonly keepAliveMs: number
  /** Until the other side has said what it is. */
  readonly timeoutMs: number
}

/** Keeps one connection, and opens another one when it is lost. */
export class Client {
  #link: Promise<Link> | undefined
  #id: string | undefined

  constructor(
    readonly connect: () => Wire | Promise<Wire>,
    readonly patience: Patience
  ) {}

  async open(): Promise<Link> {
    const found = this.#link
    const link = await found?.catch(() => undefined)
    if (link?.takesCalls) return link
    // Of many calls that find it lost, the first one connects.
    if (this.#link === found) this.#link = this.#connect()
    return this.#link!
  }

  async close(): Promise<void> {
    const link = await this.#link?.catch(() => undefined)
    await link?.close()
  }

  /** A call whose bytes come from a source. */
  async upload(
    request: Request,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    signal?: AbortSignal
  ): Promise<unknown> {
    const link = await this.open()
    const pending = await link.begin(request)
    const stopListening = onAbort(signal, () => pending.cancel())
    const send = async () => {
      for await (const chunk of source) await pending.call.send(chunk)
      link.connection.send(Frame.end, pending.call.id)
    }
    const sent = send().then(
      () => undefined,
      error => ({ error })
    )
    try {
      // A store that fails does not wait for a source that is silent.
      const failed = await Promise.race([
        sent,
        pending.result.then(
          () => undefined,
          () => undefined
        )
      ])
      if (failed !== undefined && !pending.isOver) {
        await pending.stop()
        throw failed.error
      }
      return await pending.result
    } finally {
      stopListening()
    }
  }

  /** A call that gives bytes. */
  async *download(request: Request, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const pending = await (await this.open()).begin(request)
    const stopListening = onAbort(signal, () => pending.cancel())
    try {
      yield* pending.call.read()
      await pending.result
    } finally {
      stopListening()
      pending.cancel()
    }
  }

  /** A call without bytes. */
  async ask(request: Request, signal?: AbortSignal): Promise<unknown> {
    const pending = await (await this.open()).begin(request)
    const stopListening = onAbort(signal, () => pending.cancel())
    try {
      return await pending.result
    } finally {
      stopListening()
    }
  }

  async #connect(): Promise<Link> {
    const link = new Link(await this.connect(), this.patience.keepAliveMs)
    await link.greet(this.patience.timeoutMs)
    const { id } = link.hello
    if (this.#id !== undefined && this.#id !== id) {
      const error = new BackupError('IBT_STORE_FAILED', `Another store answers: ${id}, not ${this.#id}`)
      link.connection.destroy(error)
      throw error
    }
    this.#id = id
    return link
  }
}
