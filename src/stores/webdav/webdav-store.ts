import { posix } from 'node:path'
import { Readable } from 'node:stream'
import type { FileStat, WebDAVClient } from 'webdav'
import type { Store, StoredName, StoreOptions } from '../../types.js'
import { defineStore } from '../define-store.js'
import { type HttpStoreOptions, httpStore } from '../http/http-store.js'
import { storeUrlId } from '../store-url.js'
import { compareStoredNames } from '../stored-name.js'
import { findLeftBehind, temporaryName } from '../temporary-names.js'
import { DavClient } from './dav-client.js'
import { paced } from './paced.js'

/** Milliseconds that a put which has failed waits for its temporary file to be removed. */
const DISCARD_MS = 5000

/** A directory of a WebDAV server: its URL begins with `http:` or `https:`. */
export type WebdavStoreOptions = HttpStoreOptions

/** A store on a WebDAV server. It has no `create`: servers check a condition and then write. */
export type WebdavStore = Store & Required<Pick<Store, 'clean'>>

/**
 * A directory of a WebDAV server as a store. Read as `httpStore` reads; a put is sent while it is made, to a temporary
 * name, which is then moved. The directory is made at the first put.
 *
 * Requests are repeated after transient errors, but for a put. Memory: the chunks under way, the names for each `list`.
 *
 * @throws TypeError or RangeError at the call for what is no URL of a directory. Each call of the store: BackupError
 * IBT_PEER_MISSING
 */
export function webdavStore(options: WebdavStoreOptions): WebdavStore {
  const { timeoutMs = 30_000 } = options
  const reads = httpStore(options)
  const client = new DavClient(options)
  const { directory } = client
  const fileOf = (name: string) => posix.join(directory, name)
  let making: Promise<void> | undefined

  const store = defineStore({
    id: reads.id,
    get: (name, range, calling) => reads.get(name, range, calling),

    async put(name, chunks, { signal }) {
      making ??= makeDirectory(directory)
      await making.catch(error => {
        making = undefined
        throw error
      })
      const temporary = fileOf(temporaryName(name))
      const pace = paced(chunks, timeoutMs, signal)
      try {
        const body = Readable.from(pace.chunks, { objectMode: false })
        await client.once(dav => dav.putFileContents(temporary, body, { signal: pace.signal }))
        signal?.throwIfAborted()
        await client.once((dav, calling) => dav.moveFile(temporary, fileOf(name), calling), signal)
      } catch (error) {
        // The directory may be gone.
        making = undefined
        await client.once(dav => dav.deleteFile(temporary, { signal: AbortSignal.timeout(DISCARD_MS) })).catch(() => {})
        throw error
      }
    },

    async *list(_, { signal }) {
      yield* (await listFiles({ signal })).filter(({ name }) => !name.startsWith('.'))
    },

    delete: (name, { signal }) => client.repeat((dav, calling) => dav.deleteFile(fileOf(name), calling), signal),

    async clean(key) {
      const files = await listFiles({})
      const { temporary } = findLeftBehind(
        files.map(({ name }) => name),
        key
      )
      for (const name of temporary) await client.repeat((dav, calling) => dav.deleteFile(fileOf(name), calling))
      return temporary.length
    }
  })
  return store as WebdavStore

  async function makeDirectory(path: string): Promise<void> {
    const make = () => client.repeat((dav, calling) => dav.createDirectory(path, calling))
    try {
      await make()
    } catch (error) {
      const { status } = Object(error) as { readonly status?: unknown }
      const above = posix.dirname(path)
      // It is there: RFC 4918, section 9.3.1.
      if (status === 405) return
      if (status !== 409 || above === path) throw error
      await makeDirectory(above)
      await make()
    }
  }

  async function listFiles({ signal }: StoreOptions): Promise<StoredName[]> {
    const list = (dav: WebDAVClient, calling: StoreOptions) =>
      dav.getDirectoryContents(directory, calling as object) as Promise<FileStat[]>
    const found = await client.repeat(list, signal).catch(error => {
      if (Object(error).status === 404) return []
      throw error
    })
    const files = found.filter(({ type }) => type === 'file')
    return files
      .map(({ basename: name, size: sizeBytes }) => ({ name, sizeBytes }))
      .sort((a, b) => compareStoredNames(a.name, b.name))
  }
}

/** Of a URL: for `--store webdavs://…`. */
export function fromUrl(url: URL): WebdavStore {
  return { ...webdavStore({ url: url.href.replace(/^webdav/, 'http') }), id: storeUrlId(url) }
}
