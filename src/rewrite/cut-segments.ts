import { Cursor } from '../flow/cursor.js'
import type { Body, MergedEntry, Signed, Source } from '../types.js'

/** What is cut: bodies, and in step with them the entries of the state that is merged. */
export interface SegmentSources {
  readonly bodies: Source<Signed>
  readonly written: Source<MergedEntry>
}

/** One segment: to be read once, and before the next one. */
export interface Segment {
  readonly bodies: Source<Signed>
  readonly written: Source<MergedEntry>
}

/**
 * Cuts what a merge stores into segments of `segmentBytes`, counted before compression, or one content more. A segment
 * begins with an entry that an archive has, so that each has an archive.
 *
 * Order kept. Look-ahead: the entry that the next segment begins with; its body is not opened.
 */
export class SegmentCutter {
  readonly #bodies: Cursor<Signed>
  readonly #written: Cursor<MergedEntry>
  #head: Signed | undefined
  #isAtEnd = false

  constructor(
    { bodies, written }: SegmentSources,
    readonly segmentBytes: number
  ) {
    this.#bodies = new Cursor(bodies)
    this.#written = new Cursor(written)
  }

  /** The next segment; undefined if nothing is left. */
  async next(): Promise<Segment | undefined> {
    if ((await this.#peek()) === undefined) return undefined
    const count = { taken: 0, isOver: false }
    return { bodies: this.#entries(count), written: this.#inStep(count) }
  }

  async close(): Promise<void> {
    await this.#bodies.close()
    await this.#written.close()
  }

  async #peek(): Promise<Signed | undefined> {
    if (this.#head !== undefined || this.#isAtEnd) return this.#head
    const { value, done } = await this.#bodies.next()
    if (done) this.#isAtEnd = true
    else this.#head = value
    return this.#head
  }

  async *#entries(count: { taken: number; isOver: boolean }): AsyncGenerator<Signed, void, undefined> {
    let bytes = 0
    const add = (more: number) => {
      bytes += more
    }
    for (let item = await this.#peek(); item !== undefined; item = await this.#peek()) {
      if (bytes >= this.segmentBytes && isInArchive(item)) break
      this.#head = undefined
      count.taken++
      yield item.body === undefined ? item : { ...item, body: countedBody(item.body, add) }
    }
    count.isOver = true
  }

  /** As many entries as the segment has; behind the last segment, what is left. */
  async *#inStep(count: { readonly taken: number; readonly isOver: boolean }) {
    for (let given = 0; !count.isOver || given < count.taken || this.#isAtEnd; given++) {
      const { value, done } = await this.#written.next()
      if (done) return
      yield value
    }
  }
}

function isInArchive({ type, change, body }: Signed): boolean {
  return body !== undefined || (type === 'directory' && change === 'created')
}

function countedBody(body: Body, add: (bytes: number) => void): Body {
  const { form, sizeBytes, extents, reason } = body
  return { form, sizeBytes, extents, reason, parts: counted(body.parts, add), result: () => body.result() }
}

async function* counted(parts: Source<Uint8Array>, add: (bytes: number) => void) {
  for await (const part of parts) {
    add(part.length)
    yield part
  }
}
