import { BackupError, type ErrorCode, isBackupError } from '../errors.js'
import { untilAbort } from '../flow/abortable.js'
import { Channel } from '../flow/channel.js'
import { onAbort } from '../flow/on-abort.js'
import type { ForeignSink } from '../interop/foreign.js'
import { isNodeWritable, type NodeDuplex, toNodeWritable } from '../interop/node.js'
import { pipe } from '../interop/pipe.js'
import { printText } from '../path.js'
import type { Sink, Source } from '../types.js'
import {
  decodeMessages,
  decodeValue,
  encodeGreeting,
  encodeMessage,
  encodeValue,
  Kind,
  type Message
} from './messages.js'

/** A connection in both directions: a Node or streamx duplex such as a socket, or its two halves. */
export type TwoWay =
  | (NodeDuplex & AsyncIterable<Uint8Array>)
  | {
      readonly readable: Source<Uint8Array>
      readonly writable: Sink<Uint8Array, unknown> | ForeignSink
    }

/** Messages that wait to be written, at most. */
const WAITING = 8
/** How long a side that hangs up waits for its last words to be taken, and for the other side to hang up. */
const HANG_UP_MS = 2000

/** What a failed side tells the other. */
interface Failed {
  readonly code?: string | undefined
  readonly message: string
  readonly path?: string | undefined
}

/**
 * One end of a connection. Messages that come in go to the handler, one at a time; those that go out wait for room. So
 * both directions flow at once, and each has its own back-pressure. Memory: `WAITING` messages, and one that comes in.
 *
 * `signal` aborts with the first failure: the caller's abort, an error that the other side tells, a connection that was
 * cut (IBT_CONNECTION_LOST).
 */
export class Line {
  readonly #out = new Channel<readonly Uint8Array[]>(WAITING)
  readonly #failed = new AbortController()
  readonly #gone = new AbortController()
  readonly #written: Promise<void>
  readonly #heard: Promise<void>
  readonly #stopListening: () => void
  #sent: Promise<void> = Promise.resolve()
  #isTold = false
  #isClosing = false

  constructor(
    ends: TwoWay,
    readonly other: string,
    readonly handle: (message: Message) => void | Promise<void>,
    signal?: AbortSignal | undefined
  ) {
    const { readable, writable } = isPair(ends) ? ends : { readable: ends, writable: ends as ForeignSink }
    this.#stopListening = onAbort(signal, reason => this.fail(reason))
    this.#written = this.#write(isNodeWritable(writable) ? toNodeWritable(writable) : (writable as Sink<Uint8Array>))
    this.#heard = this.#listen(readable)
  }

  get signal(): AbortSignal {
    return this.#failed.signal
  }

  /** Whether the failure came from the other side. */
  get isTold(): boolean {
    return this.#isTold
  }

  /** The first failure counts. */
  fail(error: unknown): void {
    this.#failed.abort(error)
  }

  /** Says one message, of at most `FRAME_BODY_BYTES`. Resolves when there is room for more. @throws the failure */
  send(kind: number, body: Uint8Array | object = new Uint8Array(0)): Promise<void> {
    const message = encodeMessage(kind, body instanceof Uint8Array ? body : encodeValue(body))
    const sent = this.#sent.then(() => this.#push(message))
    this.#sent = sent.catch(() => {})
    return sent
  }

  async #push(message: readonly Uint8Array[]): Promise<void> {
    this.signal.throwIfAborted()
    // Whether the writer has failed, `#write` says, with the reason.
    await this.until(this.#out.push(message).catch(() => this.#written))
  }

  /** Rejects with the failure as soon as there is one. */
  until<T>(promise: Promise<T>): Promise<T> {
    return untilAbort(promise, this.signal)
  }

  /** Says what there is to say, waits until it has been taken, and hangs up. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true
    const { signal } = this
    if (signal.aborted && !this.#isTold) {
      this.#out.push(encodeMessage(Kind.failed, encodeValue(toFailed(signal.reason)))).catch(() => {})
    }
    this.#out.end()
    await atMost(HANG_UP_MS, Promise.allSettled([this.#written, this.#heard]))
    this.#gone.abort(new Error('The connection was closed'))
    this.#stopListening()
  }

  async #write(sink: Sink<Uint8Array, unknown> | ForeignSink): Promise<void> {
    const bytes = async function* writtenMessages(
      messages: Source<readonly Uint8Array[]>
    ): AsyncGenerator<Uint8Array, void, undefined> {
      yield encodeGreeting()
      for await (const message of messages) yield* message
    }
    try {
      await pipe(this.#out, bytes, sink as Sink<Uint8Array>, { signal: this.#gone.signal })
    } catch (cause) {
      // What the other side has said before it hung up tells more.
      await atMost(HANG_UP_MS, this.#heard)
      this.fail(this.#lost(cause))
    }
  }

  async #listen(readable: Source<Uint8Array>): Promise<void> {
    try {
      const bytes = pipe(readable, passOn, { signal: this.#gone.signal })
      for await (const message of decodeMessages(bytes)) {
        if (message.kind === Kind.failed) {
          this.#isTold = !this.signal.aborted
          this.fail(this.#toldError(decodeValue<Failed>(message.body)))
        } else if (!this.signal.aborted && !this.#isClosing) await this.handle(message)
      }
      if (!this.#isClosing) this.fail(this.#lost())
    } catch (error) {
      this.fail(isBackupError(error) ? error : this.#lost(error))
    }
  }

  #lost(cause?: unknown): BackupError {
    return new BackupError('IBT_CONNECTION_LOST', `The connection to the ${this.other} ended too early`, { cause })
  }

  #toldError({ code, message, path }: Failed): BackupError {
    const known =
      typeof code === 'string' && /^IBT_[A-Z_]{1,40}$/.test(code) ? (code as ErrorCode) : 'IBT_CONNECTION_LOST'
    const options = { path: typeof path === 'string' ? path : undefined }
    return new BackupError(known, `The ${this.other} has failed: ${printText(String(message))}`, options)
  }
}

function isPair(ends: TwoWay): ends is Extract<TwoWay, { readonly readable: unknown; readonly writable: unknown }> {
  return !isNodeWritable(ends)
}

async function* passOn(source: Source<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  yield* source
}

function toFailed(error: unknown): Failed {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, 4096)
  return isBackupError(error) ? { code: error.code, message, path: error.path?.slice(0, 4096) } : { message }
}

/** What has come by then counts, too: a process that was held up for so long has not looked yet. */
async function atMost(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(() => setImmediate(resolve), ms)
  })
  try {
    await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
