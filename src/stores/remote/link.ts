import { WITHDRAW_MS } from '../../constants.js'
import { Call } from './call.js'
import { Connection, type Wire } from './connection.js'
import { Frame, type FrameHandler, type FrameType, violation } from './frames.js'
import { machineProof } from './machine.js'
import {
  decodeError,
  decodeHello,
  decodeJson,
  encodeJson,
  type Hello,
  PROTOCOL,
  type Request,
  VERSION,
  WINDOW_BYTES
} from './messages.js'
import { PendingCall } from './pending-call.js'
import { CALLS_MAX } from './serve-store.js'

/** A wire that keeps the process alive is closed when there was no call for so long. */
const IDLE_MS = 1000

/** One connection, and the calls on it. */
export class Link implements FrameHandler {
  readonly connection: Connection
  readonly #pending = new Map<number, PendingCall>()
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

  async begin(request: Request): Promise<PendingCall> {
    while (this.#pending.size >= CALLS_MAX) await new Promise<void>(resolve => this.#waiting.push(resolve))
    if (this.connection.error !== undefined) throw this.connection.error
    const id = ++this.#lastCall
    const call = new Call(this.connection, id, this.hello.windowBytes)
    const pending = new PendingCall(call, () => {
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

  #find(id: number): PendingCall | undefined {
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
