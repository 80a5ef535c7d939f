import type { IncomingMessage, ServerResponse } from 'node:http'
import { isBackupError } from '../errors.js'
import { type NodeWritable, toNodeWritable } from '../interop/node.js'
import { pipe } from '../interop/pipe.js'
import { toWebReadable } from '../interop/web.js'
import type { PlaceOptions } from '../places/options.js'
import { type Answer, type Asked, HttpError, statusOf } from './answer.js'
import { createGuard, type GuardOptions } from './guard.js'
import { route, type Served } from './routes.js'
import { StallWatch } from './stall-watch.js'
import { Views } from './view.js'
import { watchBody } from './watched-body.js'

/** Options of `serveBackups`. */
export interface ServeOptions extends Omit<PlaceOptions, 'signal'>, GuardOptions {
  /** Serves only these keys. Default: all. */
  readonly keys?: readonly string[] | undefined
  /** The path below which a framework has mounted the handler, without a slash at its end. Default: none. */
  readonly base?: string | undefined
  /** Requests that are answered at a time; others get 503. Default: 64. */
  readonly maxRequests?: number | undefined
  /**
   * How long the reader of an answer may take nothing, in milliseconds, before the answer is ended and counts no more.
   * Default: 300,000.
   */
  readonly stalledMs?: number | undefined
  /**
   * How long a list of the store serves other requests, too, in milliseconds: this late a new backup is `latest`. By its
   * date it is found at once. Default: 2000; 0: each request lists.
   */
  readonly listMs?: number | undefined
}

/** Backups over HTTP, read-only. */
export interface BackupServer {
  /** Answers a request of `node:http`, `node:https` or `node:http2` with its compatibility API. Never rejects. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>
  /** Answers a request of a framework that has the web's classes. Never rejects. */
  readonly fetch: (request: Request) => Promise<Response>
}

const LIST_MS = 2000
const STALLED_MS = 300_000

/** What every answer has. */
const HEADERS = {
  'cache-control': 'private, no-cache',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff'
} as const

/**
 * Serves the backups of a store to programs and people, and changes nothing: `/` lists keys, `/KEY/` dates,
 * `/KEY/DATE/PATH/` a directory, `/KEY/DATE/PATH` is a file, with ranges; `?format=tar` a file or directory with all below
 * it as a tar, `?format=json` (or `Accept: application/json`) lists for programs. `/~store/` has the artifacts, which
 * `httpStore` reads. DATE is `latest`, or what `at` takes.
 *
 * A path is looked up in a state and never in a file system. What is read is what the request needs, by range reads; a
 * client that goes away ends it. A content that turns out to be wrong ends the connection.
 * Memory for one request: as `catEntry` or `restoreTar`; for all of them the names of the store.
 *
 * @throws RangeError at the call for an option that makes no sense, TypeError for a signing key that is none.
 */
export function serveBackups(options: ServeOptions = {}): BackupServer {
  const { keys, base = '', maxRequests = 64, stalledMs = STALLED_MS, listMs = LIST_MS, ...rest } = options
  const { token, hosts, ...places } = rest
  if (base !== '' && !/^\/.*[^/]$/.test(base))
    throw new RangeError(`A base begins with a slash and ends without: ${base}`)
  if (!(maxRequests >= 1)) throw new RangeError('maxRequests is positive')
  if (!(stalledMs > 0)) throw new RangeError('stalledMs is positive')
  if (!(listMs >= 0)) throw new RangeError('listMs is not negative')
  const guard = createGuard({ token, hosts })
  const views = new Views(places, listMs)
  const served = { base, isServed: (key: string) => keys === undefined || keys.includes(key) }
  let requests = 0

  async function answer(asked: Asked): Promise<Answer> {
    try {
      guard(asked)
      if (asked.method !== 'GET' && asked.method !== 'HEAD') {
        throw new HttpError(405, 'Backups can only be read', { allow: 'GET, HEAD' })
      }
      if (requests > maxRequests) throw new HttpError(503, 'Too many requests at a time', { 'retry-after': '5' })
      const { status, headers, body } = await routed(served, views, asked)
      return { status, headers: { ...HEADERS, ...headers }, body: asked.method === 'HEAD' ? undefined : body }
    } catch (error) {
      return refusal(error, asked)
    }
  }

  return {
    async handle(request, response) {
      const gone = new AbortController()
      response.on('close', () => gone.abort(new Error('The client has gone')))
      response.on('error', () => {})
      const watch = new StallWatch(stalledMs, error => gone.abort(error))
      requests++
      try {
        const { status, headers, body } = await answer(toAsked(request, gone.signal))
        response.writeHead(status, headers)
        await pipe(watch.through(body ?? []), toNodeWritable(response as NodeWritable), { signal: gone.signal })
      } catch {
        // The head is gone: only a connection that ends tells that something is missing.
        response.destroy()
      } finally {
        watch.end()
        requests--
      }
    },

    async fetch(request) {
      const { pathname, search, host } = new URL(request.url)
      const header = (name: string) => request.headers.get(name) ?? undefined
      const { method, signal } = request
      requests++
      const asked = { method, target: pathname + search, host: header('host') ?? host, header, signal }
      const { status, headers, body } = await answer(asked)
      const onOver = () => {
        requests--
      }
      if (body !== undefined) {
        const watched = watchBody(toWebReadable(body), { signal, stalledMs, onOver })
        return new Response(watched, { status, headers })
      }
      onOver()
      return new Response(null, { status, headers })
    }
  }
}

/** What is not there may have come since the store was listed, and what cannot be read may be gone by now. */
async function routed(served: Served, views: Views, asked: Asked): Promise<Answer> {
  const view = views.current()
  const { isUsed } = view
  try {
    return await route(served, view, asked)
  } catch (error) {
    const mayBeOld = isUsed && (!(error instanceof HttpError) || error.status === 404)
    if (!mayBeOld || asked.signal.aborted) throw error
    return await route(served, views.renew(), asked)
  }
}

/** Express and others cut the path at which a handler is mounted off `url`, and keep all of it in `originalUrl`. */
type Mounted = IncomingMessage & { readonly originalUrl?: unknown }

function toAsked({ method = 'GET', url = '', originalUrl, headers }: Mounted, signal: AbortSignal): Asked {
  const header = (name: string) => {
    const value = headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }
  const target = typeof originalUrl === 'string' ? originalUrl : url
  return { method, target, host: header(':authority') ?? headers.host, header, signal }
}

/** What is not the asker's fault is told without what the server knows of itself. */
function refusal(error: unknown, { method, header }: Asked): Answer {
  const status = statusOf(error)
  const code = isBackupError(error) ? error.code : undefined
  const message = status === 500 ? 'The backup cannot be read' : (error as Error).message
  const isJson = /\bjson\b/.test(header('accept') ?? '')
  const text = isJson
    ? JSON.stringify({ status, code, message })
    : `${message}${code === undefined ? '' : ` (${code})`}`
  const body = Buffer.from(`${text.toWellFormed()}\n`)
  const headers = {
    ...HEADERS,
    'content-type': isJson ? 'application/json' : 'text/plain; charset=utf-8',
    'content-length': String(body.length),
    ...(error instanceof HttpError && error.headers)
  }
  return { status, headers, body: method === 'HEAD' ? undefined : [body] }
}
