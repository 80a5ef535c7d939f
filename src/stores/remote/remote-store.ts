import type { Store } from '../../types.js'
import { defineStore } from '../define-store.js'
import { Client } from './client.js'
import type { Wire } from './connection.js'
import { decodeList } from './messages.js'
import { KEEP_ALIVE_MS } from './serve-store.js'

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
  { id, keepAliveMs = KEEP_ALIVE_MS, timeoutMs = TIMEOUT_MS }: RemoteStoreOptions = {}
): Promise<RemoteStore> {
  const client = new Client(connect, { keepAliveMs, timeoutMs })
  const { id: servedId, calls = [], places } = (await client.open()).hello
  const store = defineStore({
    id: id ?? servedId,
    places,
    put: (name, chunks, { signal }) => client.upload({ call: 'put', name }, chunks, signal),
    get: (name, { start, end }, { signal }) => client.download({ call: 'get', name, start, end }, signal),
    list: (prefix, { signal, withRetention }) =>
      decodeList(client.download({ call: 'list', name: prefix, withRetention, withCold: true }, signal)),
    delete: (name, { signal }) => client.ask({ call: 'delete', name }, signal),
    ...(calls.includes('create') && {
      create: async (name, bytes, { signal }) =>
        (await client.upload({ call: 'create', name }, [bytes], signal)) === true
    }),
    ...(calls.includes('retain') && {
      retain: (name, untilMs, { signal }) => client.ask({ call: 'retain', name, untilMs }, signal)
    }),
    ...(calls.includes('thaw') && { thaw: (name, { signal }) => client.ask({ call: 'thaw', name }, signal) }),
    ...(calls.includes('clean') && { clean: async key => Number(await client.ask({ call: 'clean', name: key })) })
  })
  const close = () => client.close()
  return { ...store, close, [Symbol.asyncDispose]: close }
}
