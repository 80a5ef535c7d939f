import type { WebDAVClient } from 'webdav'
import { Patience, type Retries } from '../../flow/patience.js'
import { loadPeers, optional } from '../../peer.js'
import { checkUrl, credentials, type HttpStoreOptions } from '../http/http-store.js'
import { keepAlive, StatusError } from '../http/request.js'
import { HTTP_JUDGEMENT } from '../http/retry.js'

/** What every call of the package takes. */
interface Calling {
  readonly signal: AbortSignal
}

type Call<T> = (dav: WebDAVClient, calling: Calling) => Promise<T>

/** The WebDAV package with time limits, repetition, and errors as `httpStore` knows them. */
export class DavClient {
  /** Path of the directory on the server. */
  readonly directory: string
  readonly #url: URL
  readonly #headers: HttpStoreOptions['headers']
  readonly #timeoutMs: number
  readonly #retries: Retries
  #opening: Promise<WebDAVClient> | undefined

  constructor({ url, headers, timeoutMs = 30_000, retries = 4, retryDelayMs = 250 }: HttpStoreOptions) {
    this.#url = checkUrl(url)
    this.directory = decodeURIComponent(this.#url.pathname)
    this.#headers = headers
    this.#timeoutMs = timeoutMs
    this.#retries = { retries, retryDelayMs }
  }

  /** For what can be done twice. @throws StatusError */
  async repeat<T>(call: Call<T>, signal?: AbortSignal): Promise<T> {
    for (const patience = new Patience(this.#retries, HTTP_JUDGEMENT, signal); ; ) {
      try {
        return await this.once(call, signal)
      } catch (error) {
        await patience.pause(error)
      }
    }
  }

  /** @throws StatusError */
  async once<T>(call: Call<T>, signal?: AbortSignal): Promise<T> {
    this.#opening ??= this.#open()
    const dav = await this.#opening
    const limit = AbortSignal.timeout(this.#timeoutMs)
    try {
      return await call(dav, { signal: signal === undefined ? limit : AbortSignal.any([signal, limit]) })
    } catch (error) {
      const { status, name } = Object(error) as { readonly status?: unknown; readonly name?: unknown }
      if (typeof status === 'number') throw new StatusError(status, undefined)
      if (name === 'AbortError' && limit.aborted && !signal?.aborted) throw timedOut(this.#timeoutMs)
      throw error
    }
  }

  async #open(): Promise<WebDAVClient> {
    const load = () => import('webdav').catch(optional)
    const { AuthType, createClient } = await loadPeers('WebDAV stores', ['webdav'], load)
    const headers = { ...(this.#headers ?? (await credentials(this.#url))) }
    const agents = keepAlive()
    const shared = { httpAgent: agents['http:'], httpsAgent: agents['https:'] }
    return createClient(this.#url.origin, { authType: AuthType.None, headers, ...shared })
  }
}

/** The error of a server that is silent for too long. */
export function timedOut(timeoutMs: number): Error {
  return Object.assign(new Error(`No answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' })
}
