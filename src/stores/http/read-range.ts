import { Patience, type Retries } from '../../flow/patience.js'
import type { ByteRange } from '../../types.js'
import { type Answer, type Requests, request, StatusError } from './request.js'
import { HTTP_JUDGEMENT } from './retry.js'

/** How a store asks. */
export type Client = Requests & Retries

/** What does not change while one content is read. */
interface Version {
  readonly sizeBytes: number
  readonly tag: string | undefined
}

/** The bytes that the body of an answer has, and of what. */
interface Extent extends Version {
  readonly start: number
  readonly end: number
}

/**
 * The bytes of a range. After a transient error it goes on from the byte where it stopped, if the content is the same.
 * A server that ignores ranges sends everything, of which the rest is dropped. Memory: one chunk of the connection.
 *
 * @throws StatusError; an error for a content that changes, or whose length the server does not say
 */
export async function* readRange(
  client: Client,
  url: URL,
  { start, end = Infinity }: ByteRange,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  const patience = new Patience(client, HTTP_JUDGEMENT, signal)
  let at = start
  let version: Version | undefined
  for (;;) {
    try {
      const range = at === 0 && end === Infinity ? undefined : `bytes=${at}-${end === Infinity ? '' : end - 1}`
      const answer = await request('GET', url, range === undefined ? {} : { range }, client, signal)
      try {
        const extent = extentOf(answer, at)
        // No byte of it is in the range.
        if (extent === undefined && at === start) return
        version = sameVersion(version, extent)
        for await (const chunk of wantedBytes(answer, extent!, at, end)) {
          at += chunk.length
          patience.renew()
          yield chunk
        }
        return
      } finally {
        answer.close()
      }
    } catch (error) {
      await patience.pause(error)
    }
  }
}

/** The size of a content; undefined if there is none. */
export async function readSize(client: Client, url: URL, signal: AbortSignal | undefined): Promise<number | undefined> {
  const patience = new Patience(client, HTTP_JUDGEMENT, signal)
  for (;;) {
    try {
      const answer = await request('HEAD', url, {}, client, signal)
      answer.close()
      if (isMissing(answer.status)) return undefined
      if (answer.status !== 200) throw statusError(answer)
      // Apache does not say it of a content without a byte.
      if (answer.headers['content-length'] !== undefined) return lengthOf(answer)
      const first = await request('GET', url, { range: 'bytes=0-0' }, client, signal)
      first.close()
      return extentOf(first, 0)?.sizeBytes ?? 0
    } catch (error) {
      await patience.pause(error)
    }
  }
}

/** The bytes of an answer from `at` up to `end`: it may begin before them and go on behind them. */
async function* wantedBytes(
  answer: Answer,
  extent: Extent,
  at: number,
  end: number
): AsyncGenerator<Uint8Array, void, undefined> {
  const stop = Math.min(end, extent.end)
  let position = extent.start
  for await (const chunk of answer.body()) {
    const wanted = chunk.subarray(Math.max(0, at - position), Math.max(0, stop - position))
    position += chunk.length
    if (wanted.length > 0) yield wanted
    // An answer that is read to its end leaves the connection for the next one.
    if (position >= stop && position < extent.end) return
  }
  if (position === extent.end) return
  const message = `The server sent ${position - extent.start} bytes instead of ${extent.end - extent.start}`
  throw Object.assign(new Error(message), { code: 'ECONNRESET' })
}

/** Which bytes an answer has; undefined if the content ends before the first that was asked for. */
function extentOf(answer: Answer, at: number): Extent | undefined {
  const { status, headers } = answer
  const tag = headers.etag ?? headers['last-modified']
  if (status === 416) return undefined
  if (status === 200) {
    const sizeBytes = lengthOf(answer)
    return { start: 0, end: sizeBytes, sizeBytes, tag }
  }
  if (status !== 206) throw statusError(answer)
  const [, start, last, size] = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(headers['content-range'] ?? '') ?? []
  if (Number(start) !== at || Number(last) < at || Number(last) >= Number(size)) {
    throw new Error(`The server answered another range than asked for: ${headers['content-range']} for ${at}`)
  }
  return { start: at, end: Number(last) + 1, sizeBytes: Number(size), tag }
}

function sameVersion(version: Version | undefined, found: Version | undefined): Version | undefined {
  const isSame = version === undefined || (version.sizeBytes === found?.sizeBytes && version.tag === found.tag)
  if (!isSame) throw new Error('The content changed while it was read')
  return found
}

function lengthOf({ headers }: Answer): number {
  const length = headers['content-length']
  if (length === undefined || !/^\d{1,15}$/.test(length))
    throw new Error('The server does not say how long a content is')
  return Number(length)
}

export function isMissing(status: number): boolean {
  return status === 404 || status === 410
}

export function statusError({ status, headers }: Answer): StatusError {
  return new StatusError(status === 410 ? 404 : status, headers['retry-after'])
}
