import { BackupError } from '../../errors.js'
import { Patience } from '../../flow/patience.js'
import type { Store, StoredName } from '../../types.js'
import { notAllowed } from '../decorators/restricted.js'
import { defineStore } from '../define-store.js'
import { readLogin } from '../netrc.js'
import { storeUrlId } from '../store-url.js'
import { compareStoredNames, notFound } from '../stored-name.js'
import { type Listed, parseListing } from './listing.js'
import { type Client, isMissing, readRange, readSize, statusError } from './read-range.js'
import { keepAlive, request } from './request.js'
import { HTTP_JUDGEMENT } from './retry.js'

/** Sizes that are asked for at a time, where a listing has none. */
const SIZES_AT_ONCE = 8
/** Bytes of a listing, at most: it is read into memory. */
const LISTING_BYTES = 64 * 1024 * 1024
/** What stands for a listing where a server gives none. */
const INDEX_NAME = 'index.json'

/** A store that a web server gives. */
export interface HttpStoreOptions {
  /** The directory with the artifacts. A user in it chooses an entry of `~/.netrc`; a password is refused. */
  readonly url: string | URL
  /** Sent with every request to the server of the URL. Default: the credentials of `IBT_HTTP_TOKEN` or `~/.netrc`. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Milliseconds without an answer, or without the next bytes of it. Default: 30,000. */
  readonly timeoutMs?: number | undefined
  /** Failures one after the other that are borne. Default: 4. */
  readonly retries?: number | undefined
  /** Milliseconds before the first repetition; twice as long before each next one. Default: 250. */
  readonly retryDelayMs?: number | undefined
}

/**
 * A directory of a web server as a store to read from, by range requests that go on where a connection was cut. What
 * would write is refused with `IBT_NOT_ALLOWED`.
 *
 * `list` asks for the directory: JSON of nginx (`autoindex_format json`) or Caddy, or an index page of Apache, nginx,
 * lighttpd or Python, for which each size is one request more. Without either, a file `index.json` is read.
 * Memory: one chunk for each `get`, at most 64 MiB for a listing.
 *
 * @throws TypeError or RangeError at the call for what is no URL of a directory
 */
export function httpStore(options: HttpStoreOptions): Store {
  const { headers, timeoutMs = 30_000, retries = 4, retryDelayMs = 250 } = options
  const url = checkUrl(options.url)
  const directory = new URL(url)
  directory.username = ''
  if (!directory.pathname.endsWith('/')) directory.pathname += '/'
  const agents = keepAlive()
  let opening: Promise<Client> | undefined

  return defineStore({
    id: storeUrlId(url),
    put: async name => {
      throw notAllowed('put', name)
    },
    delete: async name => {
      throw notAllowed('delete', name)
    },

    async *get(name, range, { signal }) {
      const { start, end = Infinity } = range
      const client = await open()
      if (start < end) yield* readRange(client, toUrl(name), range, signal)
      else if ((await readSize(client, toUrl(name), signal)) === undefined) throw notFound(name)
    },

    async *list(prefix, { signal }) {
      const client = await open()
      const found = (await readListing(client, directory, signal))
        .filter(({ name }) => name.startsWith(prefix))
        .sort((a, b) => compareStoredNames(a.name, b.name))
      for (let at = 0; at < found.length; at += SIZES_AT_ONCE) {
        const sized = found.slice(at, at + SIZES_AT_ONCE).map(listed => withSize(client, listed, signal))
        for (const stored of await Promise.all(sized)) if (stored !== undefined) yield stored
      }
    }
  })

  function open(): Promise<Client> {
    opening ??= (async () => {
      const own = headers ?? (await credentials(url))
      return { headers: own, timeoutMs, retries, retryDelayMs, agents }
    })()
    return opening
  }

  function toUrl(name: string): URL {
    return new URL(encodeURIComponent(name), directory)
  }

  /** Undefined for a name that is gone since. */
  async function withSize(
    client: Client,
    { name, sizeBytes }: Listed,
    signal: AbortSignal | undefined
  ): Promise<StoredName | undefined> {
    const found = sizeBytes ?? (await readSize(client, toUrl(name), signal))
    return found === undefined ? undefined : { name, sizeBytes: found }
  }
}

/** Of a URL: for `--store https://…`. */
export function fromUrl(url: URL): Store {
  return httpStore({ url })
}

/** @throws RangeError for what is no URL of a directory of a web server */
export function checkUrl(given: string | URL): URL {
  const url = new URL(given)
  if (!/^https?:$/.test(url.protocol)) throw new RangeError(`'${url.protocol}' is not http: or https:`)
  if (url.password !== '') throw new RangeError('A URL must not contain a password: give it in headers or ~/.netrc')
  if (url.search !== '' || url.hash !== '') throw new RangeError('The URL of a directory has no query and no fragment')
  return url
}

/** Headers with what this machine knows to log in with: `IBT_HTTP_TOKEN`, or an entry of `~/.netrc`. */
export async function credentials({ hostname, username }: URL): Promise<Record<string, string>> {
  const token = process.env.IBT_HTTP_TOKEN
  if (token) return { authorization: `Bearer ${token}` }
  const login = await readLogin(hostname, username === '' ? undefined : decodeURIComponent(username))
  if (login === undefined) return {}
  return { authorization: `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}` }
}

/** @throws BackupError IBT_NOT_FOUND if there is no such directory; IBT_STORE_FAILED if it is not listed */
async function readListing(client: Client, directory: URL, signal: AbortSignal | undefined): Promise<Listed[]> {
  const found = await readIndex(client, directory, directory, signal)
  if (Array.isArray(found)) return found
  const written = await readIndex(client, new URL(INDEX_NAME, directory), directory, signal)
  if (Array.isArray(written)) return written
  if (isMissing(found)) throw new BackupError('IBT_NOT_FOUND', `There is nothing at ${directory.href}`)
  const advice = `let it list the directory (nginx: autoindex on; autoindex_format json), or write ${INDEX_NAME} into it`
  throw new BackupError('IBT_STORE_FAILED', `The web server does not list ${directory.href}: ${advice}`)
}

/** The names of a listing, or the status of what is none. */
async function readIndex(
  client: Client,
  url: URL,
  directory: URL,
  signal: AbortSignal | undefined
): Promise<Listed[] | number> {
  const patience = new Patience(client, HTTP_JUDGEMENT, signal)
  for (;;) {
    try {
      const answer = await request('GET', url, { accept: 'application/json, text/html;q=0.9' }, client, signal)
      try {
        if (answer.status === 403 || isMissing(answer.status)) return answer.status
        if (answer.status !== 200) throw statusError(answer)
        return parseListing(await readText(answer.body()), directory) ?? answer.status
      } finally {
        answer.close()
      }
    } catch (error) {
      await patience.pause(error)
    }
  }
}

async function readText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > LISTING_BYTES) throw new RangeError(`The listing is longer than ${LISTING_BYTES} bytes`)
  }
  return Buffer.concat(chunks).toString('utf8')
}
