import type { Client, SFTPWrapper, Stats } from 'ssh2'
import type { Transport } from './transport.js'

/** Milliseconds between two questions whether the server is there. */
const PING_MS = 15_000
/** Questions without an answer to anything, after which the connection is given up. */
const PINGS_MAX = 3
/** Pings after which a connection that nobody uses is closed. */
const IDLE_PINGS = 4

/** The connection could not be made, or broke: what was asked for may have been done. Asking again may help. */
export class ConnectionError extends Error {}

/** What a server answers with: draft-ietf-secsh-filexfer-02, section 7. */
const STATUS: Readonly<Record<number, string>> = { 2: 'ENOENT', 3: 'EACCES', 4: 'FAILURE', 8: 'ENOTSUP' }
const NO_SPACE_BYTES = 1024 * 1024

type Callback<T> = (error?: Error | null, value?: T) => void

/**
 * One SFTP session. Every request settles: with the server's answer, or with a `ConnectionError` when the connection is
 * gone. Requests are sent at once and answered in order, so any number may be under way. The connection keeps the process
 * alive only while one is.
 */
export class Connection {
  readonly #pending = new Set<(error: Error) => void>()
  readonly #pinging: NodeJS.Timeout
  readonly #losing = new AbortController()
  #silentPings = 0
  #idlePings = 0

  constructor(
    readonly client: Client,
    readonly sftp: SFTPWrapper,
    readonly transport: Transport
  ) {
    const lose = (error?: Error) => this.#lose(new ConnectionError('The connection has been closed', { cause: error }))
    client.on('error', lose).on('close', () => lose())
    sftp
      .on('error', lose)
      .on('end', () => lose())
      .on('close', () => lose())
    this.#pinging = setInterval(() => this.#ping(), PING_MS).unref()
    transport.unref()
  }

  /** Aborts with the error when the connection is gone. */
  get lost(): AbortSignal {
    return this.#losing.signal
  }

  close(reason: Error): void {
    this.#lose(reason)
  }

  /** One request. An extension that the server does not have is ENOTSUP. */
  request<T = void>(ask: (sftp: SFTPWrapper, callback: Callback<T>) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.lost.aborted) return reject(this.lost.reason)
      this.#idlePings = 0
      if (this.#pending.size === 0) this.transport.ref()
      this.#pending.add(reject)
      const settle: Callback<T> = (error, value) => {
        this.#silentPings = 0
        if (!this.#pending.delete(reject)) return
        if (this.#pending.size === 0) this.transport.unref()
        if (error) reject(statusError(error))
        else resolve(value as T)
      }
      try {
        ask(this.sftp, settle)
      } catch (error) {
        settle(Object.assign(error as Error, { code: 8 }))
      }
    })
  }

  open(path: string, flags: 'r' | 'wx'): Promise<Buffer> {
    return this.request((sftp, done) => sftp.open(path, flags, { mode: 0o600 }, done))
  }

  /** Nobody waits for it: the server takes requests in order. */
  closeUnheard(handle: Buffer): void {
    this.request((sftp, done) => sftp.close(handle, done)).catch(() => {})
  }

  /** Writes a file to the server's disk, where the server can do so, and closes it. */
  async finish(handle: Buffer): Promise<void> {
    const synced = this.request((sftp, done) => sftp.ext_openssh_fsync(handle, done))
    const closed = this.request((sftp, done) => sftp.close(handle, done))
    const [sync, close] = await Promise.allSettled([synced, closed])
    if (sync.status === 'rejected' && !isStatus(sync.reason, 'ENOTSUP')) throw sync.reason
    if (close.status === 'rejected') throw close.reason
  }

  unlink(path: string): Promise<void> {
    return this.request((sftp, done) => sftp.unlink(path, done))
  }

  /** Follows links. */
  async stat(path: string): Promise<Stats | undefined> {
    try {
      return await this.request<Stats>((sftp, done) => sftp.stat(path, done))
    } catch (error) {
      if (isStatus(error, 'ENOENT')) return undefined
      throw error
    }
  }

  /** Whether the file system with a path is full: the protocol has no words for it. */
  async isFull(path: string): Promise<boolean> {
    try {
      type Space = { readonly f_bavail: number; readonly f_frsize: number }
      const ask = (sftp: SFTPWrapper, done: Callback<Space>) =>
        sftp.ext_openssh_statvfs(path, done as Parameters<SFTPWrapper['ext_openssh_statvfs']>[1])
      const { f_bavail, f_frsize } = await this.request<Space>(ask)
      return f_bavail * f_frsize < NO_SPACE_BYTES
    } catch {
      return false
    }
  }

  #ping(): void {
    if (this.#pending.size === 0 && ++this.#idlePings > IDLE_PINGS)
      this.#lose(new ConnectionError('Nobody used the connection'))
    else if (++this.#silentPings > PINGS_MAX) {
      const seconds = (PINGS_MAX * PING_MS) / 1000
      this.#lose(new ConnectionError(`The server has not answered for ${seconds} seconds`))
    } else {
      // Not a request: it must not keep the process alive.
      this.sftp.realpath('.', () => {
        this.#silentPings = 0
      })
    }
  }

  #lose(error: Error): void {
    if (this.lost.aborted) return
    this.#losing.abort(error)
    clearInterval(this.#pinging)
    const pending = [...this.#pending]
    this.#pending.clear()
    for (const reject of pending) reject(error)
    this.client.end()
    this.transport.destroy()
  }
}

/** The server's answer with a code, as `defineStore` knows them. */
function statusError(error: Error): Error {
  const { code } = error as { readonly code?: unknown }
  // What ssh2 says of requests whose channel is gone.
  if (typeof code !== 'number') return new ConnectionError(error.message, { cause: error })
  return Object.assign(new Error(`The server answered: ${error.message}`), { code: STATUS[code] ?? `SFTP_${code}` })
}

/** Whether the server has answered so. */
export function isStatus(error: unknown, code: string): boolean {
  return (error as { readonly code?: unknown }).code === code
}
