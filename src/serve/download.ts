import { printPath } from '../path.js'
import type { Answer, Asked } from './answer.js'
import { type Extent, hasTag, parseRange } from './range.js'

/** Bytes that can be read in parts. */
export interface Content {
  readonly name: string
  readonly sizeBytes: number
  readonly tag: string
  readonly read: (extent: Extent) => AsyncIterable<Uint8Array> | Iterable<Uint8Array>
}

/** Headers of a file to save. No browser shows what somebody has backed up: it would be a page of this server. */
export function downloadHeaders(name: string, type = 'application/octet-stream') {
  return {
    'content-type': type,
    'content-security-policy': "default-src 'none'; sandbox",
    'content-disposition': attachment(name)
  } as const
}

/** The content, or the range of it that is asked for, or that the asker has it already. */
export function download({ name, sizeBytes, tag, read }: Content, { header }: Asked): Answer {
  const headers = { ...downloadHeaders(name), etag: tag, 'accept-ranges': 'bytes' }
  if (hasTag(header('if-none-match'), tag)) return { status: 304, headers }
  const condition = header('if-range')
  const isSame = condition === undefined || hasTag(condition, tag)
  const range = isSame ? parseRange(header('range'), sizeBytes) : undefined
  const { start, end } = range ?? { start: 0, end: sizeBytes }
  const length = { 'content-length': String(end - start) }
  const body = proven(read({ start, end }))
  if (range === undefined) return { status: 200, headers: { ...headers, ...length }, body }
  const contentRange = { 'content-range': `bytes ${start}-${end - 1}/${sizeBytes}` }
  return { status: 206, headers: { ...headers, ...length, ...contentRange }, body }
}

/** Names of whatever bytes: an ASCII one for old programs, and the real one as RFC 6266 has it. */
function attachment(name: string): string {
  const printed = printPath(name).toWellFormed()
  const plain = printed.replace(/[^ !#-$&-[\]-~]/g, '_').replace(/[\\/]/g, '_')
  const encoded = encodeURIComponent(printed.replace(/\//g, '_')).replace(
    /['()*]/g,
    c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

/** The last chunk waits until nothing has turned out to be wrong: without it, a client knows that something is missing. */
async function* proven(
  bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>
): AsyncGenerator<Uint8Array, void, undefined> {
  let last: Uint8Array | undefined
  for await (const chunk of bytes) {
    if (last !== undefined) yield last
    last = chunk
  }
  if (last !== undefined) yield last
}
