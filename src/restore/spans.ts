import type { Spans } from '../native/composer.js'
import type { BodyBlocks, Source } from '../types.js'

/** Spans of a chunk, as parts of it. */
export function* spansOf(chunk: Uint8Array, spans: Spans): Generator<Uint8Array, void, undefined> {
  for (let i = 0; i < spans.length; i += 2) {
    yield chunk.subarray(spans[i], spans[i + 1])
  }
}

/** The spans of a body that is read once, from its first byte to the last that is wanted. They are in order. */
export async function* spansOfSource(
  source: Source<Uint8Array>,
  spans: Spans
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0
  let next = 0
  if (spans.length === 0) return
  for await (const chunk of source) {
    const end = at + chunk.length
    for (; next < spans.length && spans[next]! < end; next += 2) {
      const [from, until] = [spans[next]!, spans[next + 1]!]
      yield chunk.subarray(Math.max(0, from - at), Math.min(chunk.length, until - at))
      if (until > end) break
    }
    at = end
    if (next >= spans.length) return
  }
}

/** The spans of a body, of which only the blocks are read that have some of them. */
export async function* spansOfBlocks(
  { sizeBytes, at }: BodyBlocks,
  spans: Spans
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let i = 0; i < spans.length; i += 2) {
    const end = Math.min(spans[i + 1]!, sizeBytes)
    for (let position = spans[i]!; position < end; ) {
      const { start, bytes } = await at(position)
      const part = bytes.subarray(position - start, end - start)
      yield part
      position += part.length
    }
  }
}
