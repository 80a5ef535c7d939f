import { posix } from 'node:path'
import type { Stats } from 'ssh2'
import { BackupError } from '../../errors.js'
import type { ByteRange } from '../../types.js'
import { defineStore } from '../define-store.js'
import type { RetainingStore } from '../memory.js'
import { NewFile, once } from './new-file.js'
import { openConnection } from './open-connection.js'
import { RemoteDirectory } from './remote-directory.js'
import { SharedConnection } from './shared-connection.js'
import { readChunks } from './transfer.js'

/** A directory of an SFTP server. What is not given comes from `~/.ssh/config`, as for `ssh host`. */
export interface SftpStoreOptions {
  /** A name of `~/.ssh/config`, or an address. */
  readonly host: string
  /** The directory: absolute, or relative to the directory in which the server begins, most often the user's home. */
  readonly path: string
  readonly port?: number | undefined
  readonly username?: string | undefined
  /** A file in the place of `~/.ssh/config`; false: none, only OpenSSH's defaults. */
  readonly config?: string | false | undefined
  /** Of private keys. Default: `IBT_SSH_PASSPHRASE`. Keys of an agent need none. */
  readonly passphrase?: string | undefined
  /** Default: `IBT_SSH_PASSWORD`. */
  readonly password?: string | undefined
  /** Lost connections, one after the other, that a call bears. Default: 4. */
  readonly retries?: number | undefined
  /** Milliseconds before the first new connection; twice as long before each next one. Default: 250. */
  readonly retryDelayMs?: number | undefined
}

/** A store on an SFTP server. */
export interface SftpStore extends RetainingStore {
  clean(key: string): Promise<number>
  /** Ends the connection. The next call makes another one. An idle connection does not keep the process alive. */
  close(): void
}

/**
 * A directory of an SFTP server as a store, laid out as `directoryStore` does: both can be used on the same directory.
 *
 * All calls share one connection, which is made at the first call and again when it broke. Then `get` goes on at the byte
 * where it was, and `list`, `delete` and `clean` are repeated; a `put` whose bytes have been taken fails.
 * Host keys are checked against `known_hosts`. Memory: 4 MiB in flight for each `put`, 2 MiB
 * for each `get`, the names for each `list`.
 *
 * @throws TypeError or RangeError at the call for an invalid option. Each call of the store: BackupError IBT_HOST_KEY,
 * IBT_PEER_MISSING
 */
export function sftpStore(options: SftpStoreOptions): SftpStore {
  const { host, path, port, username, config, passphrase, password, retries = 4, retryDelayMs = 250 } = options
  checkAddress(options)
  const directory = posix.normalize(path)
  const remote = new RemoteDirectory(directory)
  const shared = new SharedConnection(
    () => openConnection({ host, port, username, config }, { passphrase, password }),
    { retries, retryDelayMs }
  )

  const store = defineStore({
    id: idOf(options),

    async put(name, chunks, { signal }) {
      const file = await shared.repeat(async connection => {
        await remote.checkRetained(connection, name)
        return NewFile.open(connection, directory, name, signal)
      }, signal)
      try {
        await file.write(chunks, signal)
        await file.publish()
      } catch (error) {
        await file.discard()
        throw error
      }
    },

    async create(name, bytes, { signal }) {
      const file = await shared.repeat(connection => NewFile.open(connection, directory, name, signal), signal)
      try {
        await file.write(once(bytes), signal)
        return await file.publishIfFree(bytes)
      } finally {
        await file.discard()
      }
    },

    get: (name, range, { signal }) => readOn(shared, posix.join(directory, name), range, signal),

    async *list(prefix, { signal }) {
      yield* await shared.repeat(connection => remote.list(connection, prefix), signal)
    },

    delete: (name, { signal }) => shared.repeat(connection => remote.delete(connection, name, signal), signal),
    retain: (name, untilMs, { signal }) =>
      shared.repeat(connection => remote.retain(connection, name, untilMs, signal), signal),
    clean: key => shared.repeat(connection => remote.clean(connection, key), undefined)
  })
  return { ...(store as Omit<SftpStore, 'close'>), close: () => shared.close() }
}

/** @throws TypeError, RangeError */
function checkAddress({ host, path, username, port }: SftpStoreOptions): void {
  for (const [what, text] of Object.entries({ host, path })) {
    if (typeof text !== 'string' || text === '') throw new TypeError(`sftpStore: ${what} is not a text`)
  }
  // Both become arguments of ssh, and of the command that a message tells.
  for (const text of [host, username]) {
    if (text !== undefined && !/^[\p{L}\p{N}_.:%@+][\p{L}\p{N}_.:%@+-]*$/u.test(text))
      throw new RangeError(`sftpStore: '${text}' is not the name of a host or a user`)
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536))
    throw new RangeError(`sftpStore: ${port} is not a port`)
}

/** The URL of the store. A config is a part of it: the same name can be another host there. */
function idOf({ host, path, port, username, config }: SftpStoreOptions): string {
  const user = username === undefined ? '' : `${encodeURIComponent(username)}@`
  const at = port === undefined ? '' : `:${port}`
  const parameter = typeof config === 'string' ? `?config=${encodeURIComponent(config)}` : ''
  const where = path.startsWith('/') ? path : `/~/${path}`
  return `sftp://${user}${host.includes(':') ? `[${host}]` : host}${at}${encodeURI(where)}${parameter}`
}

/** The bytes of a file, over as many connections as it takes. */
async function* readOn(
  shared: SharedConnection,
  path: string,
  { start, end = Infinity }: ByteRange,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  const attempts = shared.attempts(signal)
  let seen: Stats | undefined
  for (let at = start; ; ) {
    try {
      const connection = await shared.connected(signal)
      const handle = await connection.open(path, 'r')
      try {
        const looked = connection.request<Stats>((sftp, done) => sftp.fstat(handle, done))
        looked.catch(() => {})
        if (seen !== undefined) checkSame(path, seen, await looked)
        const stop = end === Infinity ? (await looked).size : end
        for await (const chunk of readChunks(connection, handle, at, stop)) {
          seen ??= await looked
          at += chunk.length
          attempts.renew()
          yield chunk
        }
        return
      } finally {
        connection.closeUnheard(handle)
      }
    } catch (error) {
      await attempts.pause(error)
    }
  }
}

/** @throws BackupError IBT_STORE_FAILED if the rest would be of another file */
function checkSame(path: string, seen: Stats, found: Stats): void {
  if (seen.size === found.size && seen.mtime === found.mtime) return
  throw new BackupError('IBT_STORE_FAILED', `${path} was replaced while it was read, and the connection broke`, {
    path
  })
}
