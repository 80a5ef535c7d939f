import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import { BackupError } from '../../errors.js'
import { onAbort } from '../../flow/on-abort.js'
import type { Store, StoredName, StoreOptions } from '../../types.js'
import { UNNAMED } from '../stored-name.js'
import { Call } from './call.js'
import { Connection, type Wire } from './connection.js'
import { Frame, type FrameHandler, type FrameType, violation } from './frames.js'
import { machineProof } from './machine.js'
import {
  decodeHello,
  decodeRequest,
  encodeError,
  encodeJson,
  encodeListed,
  type Hello,
  PROTOCOL,
  type Request,
  VERSION,
  WINDOW_BYTES
} from './messages.js'
import { ALL_PERMISSIONS, checkAllowed, type Permission, withoutReplacing } from './permissions.js'

/** Options of `serveStore`. */
export interface ServeStoreOptions extends StoreOptions {
  /** What may be asked for. Default: everything. `APPEND_ONLY` and `READ_ONLY` are such lists. */
  readonly allow?: readonly Permission[] | undefined
  /** Tells the store from others. Default: made of the name of this host and the store's id. */
  readonly id?: string | undefined
  /** Milliseconds of silence after which the other side is asked whether it lives. Default: 30,000. */
  readonly keepAliveMs?: number | undefined
  /** Told why a connection ended, if that was not the wish of the other side. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

export const KEEP_ALIVE_MS = 30_000
/** Calls of one connection at the same time, at most. */
export const CALLS_MAX = 64
const CREATED_BYTES_MAX = 1024 * 1024
const LISTED_TEXT_MAX = 32 * 1024

/**
 * Serves a store to one process at the other end of a wire: a socket, the pipes of a child. Resolves when the wire has
 * ended and all its calls have: never rejects. What was under way then is aborted, and publishes nothing.
 * Names and permissions are checked here. Who may connect is up to the caller.
 * Memory: `WINDOW_BYTES` (2 MiB) for each call, of which there are 64 at most, and 32 MiB for those from far away.
 */
export async function serveStore(wire: Wire, store: Store, options: ServeStoreOptions = {}): Promise<void> {
  const server = new Server(wire, store, options)
  const stopListening = onAbort(options.signal, reason => server.connection.destroy(reason))
  const error = await server.end()
  stopListening()
  if (error !== undefined) options.onError?.(error)
}

/** A call that is served. */
interface Served {
  readonly call: Call
  readonly aborted: AbortController
  readonly done: Promise<void>
}

class Server implements FrameHandler {
  readonly connection: Connection
  readonly #allowed: ReadonlySet<Permission>
  readonly #served = new Map<number, Served>()
  #lastCall = 0
  #hello: Hello | undefined

  constructor(
    wire: Wire,
    readonly store: Store,
    readonly options: ServeStoreOptions
  ) {
    this.#allowed = new Set(options.allow ?? ALL_PERMISSIONS)
    this.connection = new Connection(wire, this, options.keepAliveMs ?? KEEP_ALIVE_MS)
  }

  /** Resolves when everything has ended: to why, if the other side did not end it. */
  async end(): Promise<BackupError | undefined> {
    const error = await this.connection.closed
    const lost = error ?? new BackupError('IBT_STORE_FAILED', 'The connection was ended')
    for (const served of this.#served.values()) cancel(served, lost)
    await Promise.all([...this.#served.values()].map(({ done }) => done))
    this.connection.destroy(lost)
    return error
  }

  onFrame(type: FrameType, id: number, payload: Uint8Array): void {
    if (type === Frame.ping) this.connection.send(Frame.pong, 0)
    else if (type === Frame.pong) return
    else if (this.#hello === undefined) this.#greet(type, payload)
    else if (type === Frame.call) this.#begin(id, payload)
    else this.#continue(type, id, payload)
  }

  #continue(type: FrameType, id: number, payload: Uint8Array): void {
    const served = this.#find(id)
    // It has ended, and the other side does not know yet.
    if (served === undefined) return
    if (type === Frame.end) served.call.end()
    else if (type === Frame.credit) served.call.grant(Buffer.from(payload).readUInt32BE())
    else if (type === Frame.cancel) cancel(served, new BackupError('IBT_STORE_FAILED', 'The call was cancelled'))
    else throw violation(`a frame of type ${type} from a caller`)
  }

  onData(id: number, bytes: Uint8Array): void {
    this.#find(id)?.call.receive(bytes)
  }

  #find(id: number): Served | undefined {
    if (this.#hello === undefined || id > this.#lastCall) throw violation('a frame of a call that has not begun')
    return this.#served.get(id)
  }

  #greet(type: FrameType, payload: Uint8Array): void {
    if (type !== Frame.hello) throw violation('its first message is another one')
    try {
      this.#hello = decodeHello(payload)
    } catch (error) {
      this.connection.send(Frame.error, 0, encodeError(error))
      throw error
    }
    const { machine } = this.#hello
    this.#answer(machine).catch(error => this.connection.destroy(error))
  }

  async #answer(machine: string | undefined): Promise<void> {
    const { id, places, create, retain, thaw, clean } = this.store
    const isHere = machine !== undefined && machine === (await machineProof())
    const isUnnamed = this.options.id === undefined && id.startsWith(UNNAMED)
    const own = `remote-${createHash('sha256').update(`${hostname()} ${id}`).digest('hex').slice(0, 32)}`
    const calls = [
      ...(create && this.#allowed.has('put') ? ['create'] : []),
      ...(retain && this.#allowed.has('retain') ? ['retain'] : []),
      ...(thaw && this.#allowed.has('thaw') ? ['thaw'] : []),
      ...(clean && this.#allowed.has('clean') ? ['clean'] : [])
    ]
    const hello: Hello = {
      protocol: PROTOCOL,
      versions: [VERSION],
      windowBytes: WINDOW_BYTES,
      id: this.options.id ?? (isUnnamed ? id : own),
      calls,
      ...(isHere && places && { places })
    }
    this.connection.send(Frame.hello, 0, encodeJson(hello))
  }

  #begin(id: number, payload: Uint8Array): void {
    if (id <= this.#lastCall) throw violation('a call that has begun before')
    if (this.#served.size >= CALLS_MAX) throw violation(`more than ${CALLS_MAX} calls at a time`)
    this.#lastCall = id
    const call = new Call(this.connection, id, this.#hello!.windowBytes)
    const aborted = new AbortController()
    const done = this.#serve(call, payload, aborted.signal).finally(() => {
      call.close()
      this.#served.delete(id)
    })
    this.#served.set(id, { call, aborted, done })
  }

  /** Never rejects. */
  async #serve(call: Call, payload: Uint8Array, signal: AbortSignal): Promise<void> {
    let answer: readonly [FrameType, Uint8Array]
    try {
      const request = decodeRequest(payload)
      checkAllowed(request, this.#allowed)
      answer = [Frame.result, encodeJson((await this.#run(request, call, signal)) ?? null)]
    } catch (error) {
      answer = [Frame.error, encodeError(error)]
    }
    // A peer that does not read its answers gets no further calls.
    await this.connection.drained()
    this.connection.send(answer[0], call.id, answer[1])
  }

  async #run(request: Request, call: Call, signal: AbortSignal): Promise<unknown> {
    const { store } = this
    const { call: kind, name, start, end, untilMs, withRetention, withCold } = request
    switch (kind) {
      case 'put':
        return withoutReplacing(store, name, this.#allowed, { signal }, () => store.put(name, call.read(), { signal }))
      case 'get':
        for await (const chunk of store.get(name, { start: start!, end }, { signal })) await call.send(chunk)
        return undefined
      case 'list':
        return sendList(store.list(name, { signal, withRetention }), call, withCold === true)
      case 'delete':
        return store.delete(name, { signal })
      case 'create':
        return has(store.create).call(store, name, await gather(call), { signal })
      case 'retain':
        return has(store.retain).call(store, name, untilMs!, { signal })
      case 'thaw':
        return has(store.thaw).call(store, name, { signal })
      case 'clean':
        return has(store.clean).call(store, name)
    }
  }
}

function cancel({ call, aborted }: Served, reason: BackupError): void {
  call.fail(reason)
  aborted.abort(reason)
}

/** A call that was not announced. */
function has<T>(call: T | undefined): T {
  if (call === undefined) throw violation('a call that was not announced')
  return call
}

async function sendList(list: AsyncIterable<StoredName>, call: Call, withCold: boolean): Promise<void> {
  let text = ''
  for await (const stored of list) {
    text += encodeListed(withCold ? stored : { ...stored, cold: undefined })
    if (text.length < LISTED_TEXT_MAX) continue
    await call.send(Buffer.from(text))
    text = ''
  }
  await call.send(Buffer.from(text))
}

async function gather(call: Call): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const chunk of call.read()) {
    sizeBytes += chunk.length
    if (sizeBytes > CREATED_BYTES_MAX) throw violation(`a create of more than ${CREATED_BYTES_MAX} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
