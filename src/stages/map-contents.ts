import { tmpdir } from 'node:os'
import { PART_BYTES } from '../constants.js'
import { Spool } from '../flow/spool.js'
import { type ForeignTransform, isForeignTransform, toStage } from '../interop/foreign.js'
import { type Content, type ContentDigests, type Entry, isEntry, type Source, type Stage } from '../types.js'

/**
 * What changes the bytes of a content: a function from chunks to chunks, or one that makes a Node, streamx or web
 * transform. A transform itself is taken, too, but is made for nothing where a content is not read.
 */
export type ContentTransform =
  | ((source: Source<Uint8Array>) => AsyncIterable<Uint8Array> | ForeignTransform)
  | ForeignTransform

/** Options of `mapContents`. */
export interface MapContentsOptions {
  /** Where a changed content of more than `PART_BYTES` waits, unnamed, until it is read. Default: the system's temporary directory. */
  readonly spoolDirectory?: string | undefined
  /**
   * Names what the transforms do. While it stays the same, a file that has not changed is not read again: give it another
   * value whenever the transforms make other bytes. Default: `1`.
   */
  readonly version?: string | undefined
}

/**
 * Changes the contents of files on their way into a backup: redacts, decompresses, encrypts them.
 *
 * Consumes and yields `Entry`; other items pass on. Order kept. Reads nothing before a content is opened.
 * `choose` gives the transform of a file, or undefined for one that stays as it is. A changed content has no size until
 * `sign` or `pack` ask for it: it is made then, in memory up to `PART_BYTES`, beyond in a file without a name.
 * `diff` compares the facts of the source, its size, and `version`: a file that has not changed is not read again.
 * A changed content can be opened twice, and looks at its file again, if that which it is made of does.
 * Memory: one content of up to `PART_BYTES`, else one chunk.
 *
 * @throws when a content is read: whatever the transform throws; BackupError IBT_WRITE_FAILED where it cannot be spooled.
 * @throws TypeError at the call for a `choose` that is not a function; later for a transform that is none.
 */
export function mapContents(
  choose: (entry: Entry) => ContentTransform | undefined,
  options: MapContentsOptions = {}
): Stage<Entry> {
  if (typeof choose !== 'function') throw new TypeError('mapContents: choose is a function of an entry')
  const { spoolDirectory = tmpdir(), version = '1' } = options
  return async function* mapContentsStage(source) {
    const spools = new Spools(spoolDirectory)
    try {
      for await (const item of source) {
        const transform = isEntry(item) && item.content !== undefined ? choose(item) : undefined
        if (transform === undefined) yield item
        else yield map(item, new MappedContent(item.content!, transform, spools), version)
      }
    } finally {
      await spools.close()
    }
  }
}

/**
 * The size in the source is a part of what is compared next time: that of the content is another. A digest that came out
 * of a backup is that of the content before, which proves itself when it is read.
 */
function map(
  { sha256: _, signatureDigest: __, ...entry }: Entry & ContentDigests,
  content: Content,
  version: string
): Entry {
  const mapped = entry.sizeBytes === undefined ? version : `${version}:${entry.sizeBytes}`
  return { ...entry, content, mapped, sizeBytes: undefined, sparse: undefined }
}

/** The spools of contents that nobody has read yet. */
class Spools {
  readonly #open = new Set<Spool>()

  constructor(readonly directory: string) {}

  create(): Spool {
    const spool = new Spool(this.directory)
    this.#open.add(spool)
    return spool
  }

  async discard(spool: Spool): Promise<void> {
    this.#open.delete(spool)
    await spool.close()
  }

  async close(): Promise<void> {
    for (const spool of this.#open) await this.discard(spool)
  }
}

/** A changed content whose size is known. */
interface Made {
  readonly sizeBytes: number
  readonly chunks: readonly Uint8Array[]
  /** Holds all of it, if it is too large for memory. */
  readonly spool: Spool | undefined
}

class MappedContent implements Content {
  readonly isRepeatable: boolean | undefined
  readonly look: Content['look']
  #made: Made | undefined

  constructor(
    readonly content: Content,
    readonly transform: ContentTransform,
    readonly spools: Spools
  ) {
    this.isRepeatable = content.isRepeatable
    this.look = content.look === undefined ? undefined : () => content.look!()
  }

  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    const made = this.#made
    this.#made = undefined
    if (made === undefined) yield* this.#transformed()
    else if (made.spool === undefined) yield* made.chunks
    else {
      try {
        yield* made.spool.read({ offset: 0, sizeBytes: made.sizeBytes })
      } finally {
        await this.spools.discard(made.spool)
      }
    }
  }

  async measure(): Promise<number> {
    this.#made ??= await this.#make()
    return this.#made.sizeBytes
  }

  async #make(): Promise<Made> {
    let spool: Spool | undefined
    let chunks: Uint8Array[] = []
    let sizeBytes = 0
    try {
      for await (const chunk of this.#transformed()) {
        sizeBytes += chunk.length
        if (spool === undefined) chunks.push(chunk)
        else await spool.append(chunk)
        if (spool !== undefined || sizeBytes <= PART_BYTES) continue
        spool = this.spools.create()
        await spool.appendAll(chunks)
        chunks = []
      }
    } catch (error) {
      if (spool !== undefined) await this.spools.discard(spool)
      throw error
    }
    return { sizeBytes, chunks, spool }
  }

  #transformed(): AsyncIterable<Uint8Array> {
    const { transform } = this
    const source = this.content.open()
    const made = typeof transform === 'function' ? transform(source) : transform
    if (!isForeignTransform(made)) return made
    return toStage(made)(source) as AsyncGenerator<Uint8Array, void, undefined>
  }
}
