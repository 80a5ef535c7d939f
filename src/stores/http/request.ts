import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'

/** Redirects that one request follows, at most. */
const REDIRECTS = 5

/** How requests are made. */
export interface Requests {
  /** Sent to the origin of the store, and to no other that it redirects to. */
  readonly headers: Readonly<Record<string, string>>
  /** Milliseconds without an answer, or without the next bytes of it. */
  readonly timeoutMs: number
  /** Keeps connections between requests. */
  readonly agents: Agents
}

/** The connections of a store. */
export interface Agents {
  readonly 'http:': http.Agent
  readonly 'https:': https.Agent
}

export function keepAlive(): Agents {
  const options = { keepAlive: true, maxFreeSockets: 8 }
  return { 'http:': new http.Agent(options), 'https:': new https.Agent(options) }
}

/** An answer whose body has not been read. Whoever does not read it closes it. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** The bytes as they were sent: nothing is decoded. */
  body(): AsyncGenerator<Uint8Array, void, undefined>
  close(): void
}

/** A status that is neither success nor one that the caller knows. */
export class StatusError extends Error {
  constructor(
    readonly status: number,
    readonly retryAfter: string | undefined
  ) {
    super(`The server answered ${status} ${http.STATUS_CODES[status] ?? ''}`.trimEnd() + hintFor(status))
  }
}

function hintFor(status: number): string {
  return status === 401 || status === 403 ? ': credentials belong into ~/.netrc or IBT_HTTP_TOKEN' : ''
}

/**
 * Makes one request and follows redirects: never from https: to http:.
 *
 * @throws the system's error, a timeout, or the signal's reason
 */
export async function request(
  method: 'GET' | 'HEAD',
  start: URL,
  headers: Readonly<Record<string, string>>,
  { headers: own, timeoutMs, agents }: Requests,
  signal: AbortSignal | undefined
): Promise<Answer> {
  let url = start
  for (let redirects = 0; ; redirects++) {
    const sent = { 'accept-encoding': 'identity', ...(url.origin === start.origin && own), ...headers }
    const response = await send(method, url, sent, { agents, timeoutMs }, signal)
    const { statusCode: status = 0, headers: answered } = response
    if (![301, 302, 303, 307, 308].includes(status) || answered.location === undefined) {
      return { status, headers: answered, body: () => bodyOf(response, timeoutMs), close: () => response.destroy() }
    }
    response.destroy()
    url = redirected(url, answered.location)
    if (redirects === REDIRECTS) throw new Error(`The server redirects more than ${REDIRECTS} times`)
  }
}

function redirected(from: URL, location: string): URL {
  const to = new URL(location, from)
  const isSafe = to.protocol === 'https:' || (to.protocol === 'http:' && from.protocol === 'http:')
  if (!isSafe) throw new Error(`The server redirects from ${from.protocol} to ${to.protocol}`)
  to.username = ''
  to.password = ''
  return to
}

function send(
  method: string,
  url: URL,
  headers: Readonly<Record<string, string>>,
  { agents, timeoutMs }: Omit<Requests, 'headers'>,
  signal: AbortSignal | undefined
): Promise<IncomingMessage> {
  const { request, agent } =
    url.protocol === 'https:'
      ? { request: https.request, agent: agents['https:'] }
      : { request: http.request, agent: agents['http:'] }
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, headers, agent, ...(signal && { signal }) })
    const timer = setTimeout(() => sent.destroy(timedOut(timeoutMs)), timeoutMs)
    sent.on('error', reject)
    sent.on('response', resolve)
    sent.on('close', () => clearTimeout(timer))
    sent.on('response', () => clearTimeout(timer))
    sent.end()
  })
}

/** Time in which nobody asks for bytes does not count. */
async function* bodyOf(response: IncomingMessage, timeoutMs: number): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = response[Symbol.asyncIterator]()
  try {
    for (;;) {
      const timer = setTimeout(() => response.destroy(timedOut(timeoutMs)), timeoutMs)
      const { value, done } = await chunks.next().finally(() => clearTimeout(timer))
      if (done) return
      yield value
    }
  } finally {
    response.destroy()
  }
}

function timedOut(timeoutMs: number): Error {
  return Object.assign(new Error(`No answer within ${timeoutMs} ms`), { code: 'ETIMEDOUT' })
}
