import { WITHDRAW_MS } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { onAbort } from '../../flow/on-abort.js'
import type { Store } from '../../types.js'
import { defineStore } from '../define-store.js'
import { Call } from './call.js'
import { Connection, type Wire } from './connection.js'
import { Frame, type FrameHandler, type FrameType, violation } from './frames.js'
import { machineProof } from './machine.js'
import {
  decodeError,
  decodeHello,
  decodeJson,
  decodeList,
  encodeJson,
  type Hello,
  PROTOCOL,
  type Request,
  VERSION,
  WINDOW_BYTES
} from './messages.js'
import { CALLS_MAX, KEEP_ALIVE_MS } from './serve-store.js'

/** A store that another process serves. */
export interface RemoteStore extends Store, AsyncDisposable {
  /** Ends the connection, when no call is under way. The next call connects again. */
  close(): Promise<void>
}

/** Options of `remoteStore`. */
export interface RemoteStoreOptions {
  /** Tells the store from others. Default: what the serving side says. */
  readonly id?: string | undefined
  /** Milliseconds of silence after which the other side is asked whether it lives. Default: 30,000. */
  readonly keepAliveMs?: number | undefined
  /** Milliseconds that the other side may take to say what it is. Default: 30,000. */
  readonly timeoutMs?: number | undefined
}

const TIMEOUT_MS = 30_000
/** A wire that keeps the process alive is closed when there was no call for so long. */
const IDLE_MS = 1000

/**
 * A store that `serveStore` serves at the other end of a wire. `connect` is called at once, to ask what the store can do,
 * and again at the first call after a connection was lost. A lost connection rejects every call that is under way:
 * nobody knows what became of them. A connection without a call does not keep the process alive: where the wire has no
 * `unref`, as a WebSocket, it is closed after a second.
 * Memory: `WINDOW_BYTES` (2 MiB) for each `get`, and 32 MiB for those from far away.
 *
 * @throws BackupError IBT_STORE_FAILED if the other side is no store
 */
export async function remoteStore(
  connect: () => Wire | Promise<Wire>,
  options: RemoteStoreOptions = {}
): Promise<RemoteStore> {
  const client = new Client(connect, options)
  const { id, calls = [], places } = (await client.open()).hello
  const store = defineStore({
    id: options.id ?? id,
    places,
    put: (name, chunks, { signal }) => client.upload({ call: 'put', name }, chunks, signal),
    get: (name, { start, end }, { signal }) => client.download({ call: 'get', name, start, end }, signal),
    list: (prefix, { signal, withRetention }) =>
      decodeList(client.download({ call: 'list', name: prefix, withRetention }, signal)),
    delete: (name, { signal }) => client.ask({ call: 'delete', name }, signal),
    ...(calls.includes('create') && {
      create: async (name, bytes, { signal }) =>
        (await client.upload({ call: 'create', name }, [bytes], signal)) === true
    }),
    ...(calls.includes('retain') && {
      retain: (name, untilMs, { signal }) => client.ask({ call: 'retain', name, untilMs }, signal)
    }),
    ...(calls.includes('clean') && { clean: async key => Number(await client.ask({ call: 'clean', name: key })) })
  })
  const close = () => client.close()
  return { ...store, close, [Symbol.asyncDispose]: close }
}

/** Keeps one connection, and opens another one when it is lost. */
class Client {
  #link: Promise<Link> | undefined
  #id: string | undefined

  constructor(
    readonly connect: () => Wire | Promise<Wire>,
    readonly options: RemoteStoreOptions
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
    const { keepAliveMs = KEEP_ALIVE_MS, timeoutMs = TIMEOUT_MS } = this.options
    const link = new Link(await this.connect(), keepAliveMs)
    await link.greet(timeoutMs)
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

/** A call that was sent. */
class Pending {
  readonly result: Promise<unknown>
  isOver = false
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void

  constructor(
    readonly call: Call,
    readonly onOver: () => void
  ) {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.result.catch(() => {})
  }

  succeed(value: unknown): void {
    this.#over()
    this.call.end()
    this.#resolve(value)
  }

  fail(error: unknown): void {
    this.#over()
    this.call.fail(error)
    this.#reject(error)
  }

  /** Asks the other side to stop. */
  cancel(): void {
    if (!this.isOver) this.call.connection.send(Frame.cancel, this.call.id)
  }

  /** Asks the other side to stop, and waits until it has. */
  async stop(): Promise<void> {
    this.cancel()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, WITHDRAW_MS)
    })
    await Promise.race([
      this.result.then(
        () => {},
        () => {}
      ),
      late
    ])
    clearTimeout(timer)
  }

  #over(): void {
    this.isOver = true
    this.call.close()
    this.onOver()
  }
}

/** One connection, and the calls on it. */
class Link implements FrameHandler {
  readonly connection: Connection
  readonly #pending = new Map<number, Pending>()
  #lastCall = 0
  #hello: Hello | undefined
  #greeted: ((error?: unknown) => void) | undefined
  #waiting: (() => void)[] = []
  #idle: NodeJS.Timeout | undefined
  #isClosing = false

  constructor(wire: Wire, keepAliveMs: number) {
    this.connection = new Connection(wire, this, keepAliveMs)
    this.connection.closed.then(error => {
      const lost = error ?? this.connection.error
      for (const pending of [...this.#pending.values()]) pending.fail(lost)
      this.#greeted?.(lost)
      this.connection.destroy(lost)
    })
  }

  get hello(): Hello & { readonly id: string } {
    return this.#hello as Hello & { readonly id: string }
  }

  async greet(timeoutMs: number): Promise<void> {
    const hello: Hello = {
      protocol: PROTOCOL,
      versions: [VERSION],
      windowBytes: WINDOW_BYTES,
      machine: await machineProof()
    }
    const late = setTimeout(() => this.connection.destroy(new Error(`No answer in ${timeoutMs} ms`)), timeoutMs)
    try {
      await new Promise<void>((resolve, reject) => {
        this.#greeted = error => (error === undefined ? resolve() : reject(error))
        this.connection.send(Frame.hello, 0, encodeJson(hello))
        if (this.connection.error !== undefined) reject(this.connection.error)
      })
      this.#rest()
    } finally {
      clearTimeout(late)
    }
  }

  async begin(request: Request): Promise<Pending> {
    while (this.#pending.size >= CALLS_MAX) await new Promise<void>(resolve => this.#waiting.push(resolve))
    if (this.connection.error !== undefined) throw this.connection.error
    const id = ++this.#lastCall
    const call = new Call(this.connection, id, this.hello.windowBytes)
    const pending = new Pending(call, () => {
      this.#pending.delete(id)
      this.#waiting.shift()?.()
      if (this.#pending.size === 0) this.#rest()
    })
    this.#pending.set(id, pending)
    clearTimeout(this.#idle)
    this.connection.keepsAlive(true)
    this.connection.send(Frame.call, id, encodeJson(request))
    return pending
  }

  /** No call is under way: a wire that would keep the process alive is closed soon. */
  #rest(): void {
    if (this.connection.error !== undefined || this.connection.keepsAlive(false)) return
    clearTimeout(this.#idle)
    this.#idle = setTimeout(() => {
      this.close().catch(() => {})
    }, IDLE_MS)
  }

  get takesCalls(): boolean {
    return !this.#isClosing && this.connection.error === undefined
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle)
    this.#isClosing = true
    await Promise.all([...this.#pending.values()].map(({ result }) => result.catch(() => {})))
    const late = setTimeout(() => this.connection.destroy(undefined), WITHDRAW_MS)
    this.connection.keepsAlive(true)
    this.connection.end()
    await this.connection.closed
    clearTimeout(late)
  }

  onFrame(type: FrameType, id: number, payload: Uint8Array): void {
    if (type === Frame.ping) this.connection.send(Frame.pong, 0)
    else if (type === Frame.pong) return
    else if (this.#hello === undefined) this.#welcome(type, payload)
    else this.#answer(type, id, payload)
  }

  #answer(type: FrameType, id: number, payload: Uint8Array): void {
    const pending = this.#find(id)
    // Of a call that was given up.
    if (pending === undefined) return
    if (type === Frame.result) pending.succeed(decodeJson(payload))
    else if (type === Frame.error) pending.fail(decodeError(payload))
    else if (type === Frame.credit) pending.call.grant(Buffer.from(payload).readUInt32BE())
    else throw violation(`a frame of type ${type} from a store`)
  }

  #find(id: number): Pending | undefined {
    if (id > this.#lastCall || id === 0) throw violation('an answer to no call')
    return this.#pending.get(id)
  }

  onData(id: number, bytes: Uint8Array): void {
    this.#find(id)?.call.receive(bytes)
  }

  #welcome(type: FrameType, payload: Uint8Array): void {
    if (type === Frame.error) throw decodeError(payload)
    if (type !== Frame.hello) throw violation('its first message is another one')
    const hello = decodeHello(payload)
    if (hello.id === undefined || hello.id === '') throw violation('a store without an id')
    this.#hello = hello
    this.#greeted?.()
  }
}
