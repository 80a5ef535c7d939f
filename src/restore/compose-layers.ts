import { CHUNK_BYTES, PART_BYTES } from '../constants.js'
import { Spool } from '../flow/spool.js'
import { type Composer, createComposer } from '../native/composer.js'
import type { Layer, Source } from '../types.js'
import { type Buffered, buffer, closeBuffered, randomAccess } from './buffered.js'

/** Bytes of deltas that stay in memory together. */
const MEMORY_BYTES = PART_BYTES
/** A longer delta does not stay in memory. */
const BUFFERED_BYTES = PART_BYTES / 2
/** Bytes of deltas that are spooled before they are composed, at least. */
const SPOOLED_MIN_BYTES = 2 * PART_BYTES
/** Deltas that wait to be composed, at most: each may have an open file. */
const DELTAS_MAX = 256

export interface ComposeOptions {
  /** Where deltas are spooled, in files without a name. */
  readonly spoolDirectory: string | Uint8Array
  /** Bytes of the content that the deltas make, if they are known: until more are spooled, deltas wait. */
  readonly sizeBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** The delta that several make together. */
export interface ComposedLayers {
  /** Bytes of the delta. */
  readonly sizeBytes: number
  /** COPY commands of the delta: without any, its content needs no basis. */
  readonly copies: number
  /** The bytes of the delta, any number of times, one reader at a time. @throws BackupError with the path */
  open(): Source<Uint8Array>
  /** Gives back memory and spool. Nothing can be opened any more. */
  close(): Promise<void>
}

/**
 * Composes the deltas of one content, oldest first, to one librsync delta. Each is read once, from its first byte to its
 * last.
 *
 * Memory: `2 * PART_BYTES`, and the engine's 24 bytes a command. What does not fit is spooled. `sign` stores no more bytes of
 * deltas than their content has. Others are composed when so many are spooled, and when it is a quarter more than after the
 * last time; then the spool may have twice as many for a moment. What is made at the end is not spooled.
 *
 * @throws TypeError if there is no delta.
 * @throws BackupError with the path: IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_DELTA_CORRUPT; IBT_WRITE_FAILED of the spool; what
 * a layer throws.
 */
export async function composeLayers(
  path: string,
  deltas: readonly Layer[],
  options: ComposeOptions
): Promise<ComposedLayers> {
  const pile = new DeltaPile(path, options)
  try {
    for (const delta of deltas) await pile.add(delta)
    return await pile.compose()
  } catch (error) {
    await pile.close()
    throw error
  }
}

/** Deltas that follow each other, oldest first: in memory or spooled. */
class DeltaPile {
  #deltas: Buffered[] = []
  #foldAtBytes: number

  constructor(
    readonly path: string,
    readonly options: ComposeOptions
  ) {
    this.#foldAtBytes = Math.max(SPOOLED_MIN_BYTES, options.sizeBytes ?? 0)
  }

  async add(delta: Layer): Promise<void> {
    this.#deltas.push(await this.#buffer(delta.open()))
    const behindSpools = this.#deltas.findLastIndex(held => held instanceof Spool) + 1
    const inMemory = this.#deltas.length - behindSpools
    if (this.#bytes('memory') > MEMORY_BYTES && inMemory > 1) await this.#fold(behindSpools)
    if (this.#bytes('memory') > MEMORY_BYTES) await this.#spoolAll()
    if (this.#bytes('spool') > this.#foldAtBytes || this.#deltas.length > DELTAS_MAX) {
      await this.#fold(0)
      this.#foldAtBytes = Math.max(this.#foldAtBytes, this.#bytes('spool') + (this.options.sizeBytes ?? 0) / 4)
    }
  }

  async compose(): Promise<ComposedLayers> {
    const { path, options } = this
    const composer = createComposer(await this.#sources(0), path)
    const { sizeBytes, copies, bytes } = await composer.compose(BUFFERED_BYTES, options.signal)
    if (bytes !== undefined) await this.close()
    const open = (): Source<Uint8Array> => (bytes === undefined ? piecesOf(composer, options.signal) : [bytes])
    return { sizeBytes, copies, open, close: () => this.close() }
  }

  async close(): Promise<void> {
    const deltas = this.#deltas
    this.#deltas = []
    for (const delta of deltas) await closeBuffered(delta)
  }

  #bytes(where: 'memory' | 'spool'): number {
    const there = this.#deltas.filter(delta => delta instanceof Spool === (where === 'spool'))
    return there.reduce((sum, delta) => sum + (delta instanceof Spool ? delta.sizeBytes : delta.length), 0)
  }

  /** What the deltas from an index on make takes their place. */
  async #fold(from: number): Promise<void> {
    const { path, options } = this
    const composer = createComposer(await this.#sources(from), path)
    const { bytes } = await composer.compose(BUFFERED_BYTES, options.signal)
    const folded = await this.#buffer(bytes === undefined ? piecesOf(composer, options.signal) : [bytes])
    for (const delta of this.#deltas.splice(from, Infinity, folded)) await closeBuffered(delta)
  }

  async #spoolAll(): Promise<void> {
    for (const [i, delta] of this.#deltas.entries()) {
      if (delta instanceof Spool) continue
      const spool = new Spool(this.options.spoolDirectory)
      this.#deltas[i] = spool
      await spool.append(delta)
    }
  }

  /** What a composer reads. */
  async #sources(from: number): Promise<(number | Uint8Array)[]> {
    const sources: (number | Uint8Array)[] = []
    for (const delta of this.#deltas.slice(from)) sources.push(await randomAccess(delta))
    return sources
  }

  #buffer(source: Source<Uint8Array>): Promise<Buffered> {
    const { spoolDirectory, signal } = this.options
    return buffer(source, { maxBytes: BUFFERED_BYTES, spoolDirectory, signal })
  }
}

async function* piecesOf(
  composer: Composer,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  composer.rewind()
  for (;;) {
    const piece = await composer.pull(CHUNK_BYTES, signal)
    if (piece === null) return
    yield piece
  }
}
