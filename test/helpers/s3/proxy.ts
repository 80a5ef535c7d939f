import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { pipeline } from 'node:stream/promises'
import { type Answer, type Call, Features, failure } from './features.js'
import { CREDENTIALS } from './server.js'
import { isSigned } from './signature.js'

/** What goes wrong with requests of an operation. */
export interface Fault {
  readonly operation: string
  /**
   * `SlowDown`, `InternalError`, `AccessDenied`, …: that answer, and nothing is done. `reset`: the connection breaks before
   * anything is done; `lost`: after it. `cut`: half of the body comes; `stall`: half of it, then nothing. `ok-with-error`: status 200 with an error in it.
   * `silent`: no answer at all.
   */
  readonly kind: 'reset' | 'lost' | 'cut' | 'ok-with-error' | 'silent' | (string & {})
  /** How often. */
  times: number
  readonly key?: RegExp
}

const STATUS: Readonly<Record<string, number>> = {
  SlowDown: 503,
  InternalError: 500,
  ConditionalRequestConflict: 409,
  NotImplemented: 501,
  NoSuchUpload: 404
}

/** A proxy in front of an S3 server: checks signatures, adds what the server lacks, and injects faults. */
export class S3Proxy {
  readonly features = new Features()
  /** Requests whose signature was wrong. */
  refused = 0
  readonly calls: Pick<Call, 'operation' | 'path' | 'headers'>[] = []
  faults: Fault[] = []
  /** Requests of parts that are under way, at most. */
  partsAtOnce = 0
  #parts = 0
  readonly #agent = new Agent({ keepAlive: true })
  readonly #turns = new Map<string, Promise<unknown>>()

  private constructor(
    readonly target: string,
    readonly server: Server
  ) {}

  static async start(target: string): Promise<S3Proxy> {
    const server = createServer()
    // A connection that is closed while a client uses it again would be one failure more than a test wants.
    server.keepAliveTimeout = 0
    const proxy = new S3Proxy(target, server)
    server.on('request', (asked, answer) => {
      proxy.#serve(asked, answer).catch(() => answer.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`
  }

  /** How often operations were asked for. */
  count(operation: string): number {
    return this.calls.filter(call => call.operation === operation).length
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections()
    this.server.close()
    this.#agent.destroy()
    await once(this.server, 'close')
  }

  async #serve(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const body = await buffer(asked)
    const call = callOf(asked, body)
    const { operation, path, headers } = call
    this.calls.push({ operation, path, headers })
    if (!isSigned(asked, body, CREDENTIALS.secretAccessKey)) {
      this.refused++
      return send(answer, failure(403, 'SignatureDoesNotMatch'))
    }
    if (operation !== 'PutObject') return this.#answer(asked, call, answer)
    // A conditional put is decided one after the other.
    const turn = (this.#turns.get(path) ?? Promise.resolve()).then(() => this.#answer(asked, call, answer))
    this.#turns.set(
      path,
      turn.catch(() => {})
    )
    return turn
  }

  async #answer(asked: IncomingMessage, call: Call, answer: ServerResponse): Promise<void> {
    const { operation, path, query, headers } = call
    const fault = this.faults.find(
      fault => fault.operation === operation && fault.times > 0 && (fault.key?.test(path) ?? true)
    )
    if (fault !== undefined) fault.times--
    const kind = fault?.kind
    if (kind === 'silent') return
    if (kind === 'reset') return void asked.socket.destroy()
    if (kind === 'ok-with-error') return send(answer, { ...failure(200, 'InternalError') })
    const isPassed = kind === undefined || kind === 'lost' || kind === 'cut' || kind === 'stall'
    if (!isPassed) return send(answer, failure(STATUS[kind] ?? 403, kind))
    const own = this.features.before(call)
    if (own !== undefined) return send(answer, own)

    const isPart = operation === 'UploadPart'
    if (isPart) this.partsAtOnce = Math.max(this.partsAtOnce, ++this.#parts)
    const found = await this.#forward(asked, call)
    if (isPart) this.#parts--
    const status = found.statusCode ?? 500
    const isObject = operation === 'GetObject' && status < 300
    if (isObject) return stream(found, answer, kind, this.features.headersOf(path))
    const text = (await buffer(found)).toString()
    this.features.after(call, status, text)
    if (kind === 'lost') return void asked.socket.destroy()
    const asksForThaws = headers['x-amz-optional-object-attributes'] !== undefined
    const isList = operation === 'ListObjectsV2' && status < 300
    const described = isList ? this.features.describe(path.split('/')[1]!, text, asksForThaws) : text
    const kept = { ...headersOf(found), ...this.features.headersOf(path) }
    if (query.has('uploads') || isList) delete kept['content-length']
    send(answer, { status, headers: kept, body: described })
  }

  async #forward(asked: IncomingMessage, { body }: Call): Promise<IncomingMessage> {
    const { host: _, ...headers } = asked.headers
    const sent = request(`${this.target}${asked.url}`, { method: asked.method, headers, agent: this.#agent })
    sent.end(body)
    const [found] = (await once(sent, 'response')) as [IncomingMessage]
    return found
  }
}

function callOf({ method = '', url = '', headers }: IncomingMessage, body: Buffer): Call {
  const { pathname, searchParams: query } = new URL(url, 'http://host')
  const path = decodeURIComponent(pathname)
  const isObject = /^\/[^/]+\/./.test(path)
  return { operation: operationOf(method, isObject, query), path, query, headers, body }
}

function operationOf(method: string, isObject: boolean, query: URLSearchParams): string {
  if (!isObject) {
    if (method === 'PUT') return 'CreateBucket'
    return query.has('uploads') ? 'ListMultipartUploads' : 'ListObjectsV2'
  }
  if (query.has('retention')) return 'PutObjectRetention'
  if (query.has('restore')) return 'RestoreObject'
  if (query.has('uploads')) return 'CreateMultipartUpload'
  const ofUpload = query.has('uploadId')
  const operations: Record<string, string> = {
    PUT: ofUpload ? 'UploadPart' : 'PutObject',
    POST: 'CompleteMultipartUpload',
    DELETE: ofUpload ? 'AbortMultipartUpload' : 'DeleteObject',
    GET: 'GetObject',
    HEAD: 'HeadObject'
  }
  return operations[method] ?? method
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const { connection: _, 'transfer-encoding': __, ...kept } = headers
  return Object.fromEntries(Object.entries(kept).map(([name, value]) => [name, `${value}`]))
}

function send(answer: ServerResponse, { status, headers, body }: Answer): void {
  answer.writeHead(status, headers)
  answer.end(body)
}

/** Gives an object, or half of it, and breaks the connection. */
async function stream(
  found: IncomingMessage,
  answer: ServerResponse,
  kind: string | undefined,
  more: Record<string, string>
): Promise<void> {
  const isCut = kind === 'cut' || kind === 'stall'
  const headers = headersOf(found)
  answer.writeHead(found.statusCode!, { ...headers, ...more })
  let left = isCut ? Math.floor(Number(headers['content-length']) / 2) : Infinity
  async function* pieces() {
    for await (const chunk of found) {
      const piece = chunk.subarray(0, left)
      left -= piece.length
      yield piece
      if (left === 0) return
    }
  }
  // A client that has read enough breaks the connection.
  await pipeline(pieces(), answer, { end: !isCut }).catch(() => {})
  if (kind === 'cut') answer.socket?.end()
}
