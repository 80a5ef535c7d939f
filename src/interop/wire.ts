import { createBreather } from '../flow/breathe.js'
import { checkKey } from '../format/names.js'
import { decodeWire, encodeChunk, encodeCounted, encodeEnd, encodeSealed, encodeStart } from '../format/wire.js'
import {
  type Chunk,
  type Counted,
  isChunk,
  isCounted,
  isEntry,
  isPiece,
  isSealed,
  type Sealed,
  type Stage
} from '../types.js'
import { Received } from './received.js'

/**
 * A backup as one stream of bytes, for a socket, a pipe or a file; `fromWire` reads it.
 *
 * Consumes `Chunk`, `Sealed` and `Counted`; yields bytes, and drops other items. Order kept. No look-ahead.
 * The bytes of chunks pass as they are. The stream ends with a frame that says so: one that was cut off is known by it.
 *
 * @throws TypeError for entries and pieces: `encode` and `stateEmit` come before it.
 */
export function toWire(): Stage<Chunk | Sealed | Counted, Uint8Array> {
  return async function* toWireStage(source) {
    yield encodeStart()
    for await (const item of source) {
      if (isChunk(item)) yield* encodeChunk(item)
      else if (isSealed(item)) yield encodeSealed(item)
      else if (isCounted(item)) yield encodeCounted(item)
      else if (isPiece(item) || isEntry(item)) {
        throw new TypeError('toWire: encode, stateEmit and another encode come before it')
      }
    }
    yield encodeEnd()
  }
}

/** Options of `fromWire`. */
export interface FromWireOptions {
  /** Refuses artifacts of every other key: what a sender may write. Default: any key. */
  readonly key?: string | undefined
}

/**
 * Reads what `toWire` has written, from a sender that need not be trusted: names of artifacts alone are let through, and
 * each artifact has to have the size and the SHA-256 that it is sealed with.
 *
 * Consumes bytes, cut anywhere; yields `Chunk`, `Sealed` and `Counted`, in their order. Reads to the end of the source.
 * No look-ahead. Memory: one frame of up to 1 MiB.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED if the stream was cut off, IBT_ARCHIVE_CORRUPT, IBT_HASH_MISMATCH,
 * IBT_NAME_INVALID, IBT_STATE_VERSION.
 */
export function fromWire(options: FromWireOptions = {}): Stage<Uint8Array, Chunk | Sealed | Counted> {
  const { key } = options
  if (key !== undefined) checkKey(key)
  return async function* fromWireStage(source) {
    const received = new Received(key)
    const breather = createBreather()
    for await (const item of decodeWire(source)) {
      if (breather.due()) await breather.pause()
      if (isChunk(item)) received.add(item)
      else if (isSealed(item)) received.seal(item)
      yield item
    }
    received.end()
  }
}
