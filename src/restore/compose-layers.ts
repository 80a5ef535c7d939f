import { CHUNK_BYTES, PART_BYTES } from '../constants.js'
import { abortable } from '../flow/abortable.js'
import { type Composer, createComposer, type Spans } from '../native/composer.js'
import type { Layer, Source } from '../types.js'
import { buffer, closeBuffered, randomAccess } from './buffered.js'
import { spansOf } from './spans.js'

/** Bytes of literals that stay in memory. */
const MEMORY_BYTES = PART_BYTES

export interface ComposeOptions {
  /** Where literals are spooled, in a file without a name. */
  readonly spoolDirectory: string | Uint8Array
  readonly signal?: AbortSignal | undefined
}

/** The delta that several make together. */
export interface ComposedLayers {
  /** COPY commands of the delta: without any, its content needs no basis. */
  readonly copies: number
  /** Bytes of the delta. */
  sizeBytes(): Promise<number>
  /** As `Composer`. */
  blocks: Composer['blocks']
  /** As `Composer`, before the first `open`. */
  compact(): Spans
  /** The bytes of the delta, any number of times, one reader at a time. @throws BackupError with the path */
  open(): Source<Uint8Array>
  /** Gives back memory and spool. Nothing can be opened any more. */
  close(): Promise<void>
}

/**
 * Composes the deltas of one content to one librsync delta. They are in the order of their dates and are read from the
 * last to the first, each once, from its first byte to its last: so it is known which bytes of an older one the content
 * has, and only these wait. Those older than all that the content copies are not read.
 *
 * Memory: 8 MiB of literals three times, and the engine's 24 bytes a command and 16 bytes a span that is copied. More
 * literals are spooled: never more bytes than the content has.
 *
 * @throws TypeError if there is no delta.
 * @throws BackupError with the path: IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_DELTA_CORRUPT; IBT_WRITE_FAILED of the spool; what
 * a layer throws.
 */
export async function composeLayers(
  path: string,
  deltas: readonly Layer[],
  { spoolDirectory, signal }: ComposeOptions
): Promise<ComposedLayers> {
  if (deltas.length === 0) throw new TypeError('No delta to compose')
  const composer = createComposer(path)
  let copies = 0
  async function* literals(): AsyncGenerator<Uint8Array, void, undefined> {
    for (const delta of deltas.toReversed()) {
      for await (const chunk of abortable(delta.open(), signal)) {
        for (let at = 0; at < chunk.length; at += CHUNK_BYTES) {
          const piece = chunk.subarray(at, at + CHUNK_BYTES)
          yield* spansOf(piece, composer.feed(piece))
        }
      }
      copies = await composer.end(signal)
      if (copies === 0) return
    }
  }
  const waiting = await buffer(literals(), { maxBytes: MEMORY_BYTES, spoolDirectory, signal })
  try {
    const source = await randomAccess(waiting)
    return {
      copies,
      sizeBytes: () => composer.count(signal),
      blocks: (...basis) => composer.blocks(...basis),
      compact: () => composer.compact(),
      open: () => piecesOf(composer, source, signal),
      close: () => closeBuffered(waiting)
    }
  } catch (error) {
    await closeBuffered(waiting)
    throw error
  }
}

async function* piecesOf(
  composer: Composer,
  literals: number | Uint8Array,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  composer.rewind()
  for (;;) {
    const piece = await composer.pull(literals, CHUNK_BYTES, signal)
    if (piece === null) return
    yield piece
  }
}
