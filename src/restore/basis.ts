import { CHUNK_BYTES, PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import { type BlockPatcher, createBlockPatcher, createPatcher, type Patcher } from '../native/patcher.js'
import type { BodyBlocks, Layer, Source } from '../types.js'
import { buffer, closeBuffered, randomAccess } from './buffered.js'
import type { ComposedLayers } from './compose-layers.js'
import { spansOfBlocks, spansOfSource } from './spans.js'

/** Blocks of a large basis that stay in the patcher for short copies that go back. */
const KEPT_BLOCKS = (2 * PART_BYTES) / CHUNK_BYTES
/** Blocks that may be read again in any case, and the share of all. */
const AGAIN_MIN = 16
const AGAIN_SHARE = 1 / 4

const NOTHING = new Uint8Array(0)

export interface BasisOptions {
  /** Where a basis is spooled, in a file without a name. */
  readonly spoolDirectory: string | Uint8Array
  readonly signal?: AbortSignal | undefined
}

/** A whole body, and what is known of it. */
export interface BasisBody {
  /** None: an empty body. */
  readonly whole: Layer | undefined
  readonly blocks: BodyBlocks | undefined
  /** What is applied to it; undefined: not known yet. */
  readonly deltas: ComposedLayers | undefined
}

/** What a delta is applied to: a patcher, and what it reads. */
export interface Basis {
  readonly patcher: Patcher
  /**
   * Gives the patcher the part of the basis that it needs, or the bytes that it leaves to others: of the basis, or of the
   * piece of the delta that was pushed last. Undefined if it needs nothing.
   */
  supply(piece: Uint8Array): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

/**
 * Opens a whole body as the basis of a delta. Call it before the delta is opened.
 * Memory: up to `PART_BYTES`, three times. A longer basis is read block by block as copies need it, with 16 MiB of blocks in
 * memory. If it cannot be read like that, or if copies go back and forth so much that more than a quarter of its
 * blocks would be read again, what is copied of it is spooled.
 *
 * @throws BackupError IBT_WRITE_FAILED of the spool; what the layer throws.
 */
export async function openBasis(body: BasisBody, options: BasisOptions): Promise<Basis> {
  const { blocks, deltas } = body
  if (blocks !== undefined && blocks.sizeBytes > PART_BYTES && deltas !== undefined && !jumps(deltas, blocks)) {
    return new BlockBasis(blocks)
  }
  const buffered = await buffer(abortable(wantedOf(body), options.signal), { maxBytes: PART_BYTES, ...options })
  const patcher = createPatcher(await randomAccess(buffered))
  return { patcher, supply: async () => undefined, close: () => closeBuffered(buffered) }
}

function jumps(deltas: ComposedLayers, { sizeBytes }: BodyBlocks): boolean {
  const { read, again } = deltas.blocks(sizeBytes, CHUNK_BYTES, KEPT_BLOCKS)
  return again > AGAIN_MIN + read * AGAIN_SHARE
}

function wantedOf({ whole, blocks, deltas }: BasisBody): Source<Uint8Array> {
  if (whole === undefined) return []
  if (deltas === undefined) return whole.open()
  const spans = deltas.compact()
  return blocks === undefined ? spansOfSource(whole.open(), spans) : spansOfBlocks(blocks, spans)
}

interface Block {
  readonly start: number
  readonly bytes: Uint8Array
}

function holds({ start, bytes }: Block, position: number): boolean {
  return start <= position && position < start + bytes.length
}

/** A long basis, of which the blocks are read that copies need. */
class BlockBasis implements Basis {
  readonly patcher: BlockPatcher = createBlockPatcher(KEPT_BLOCKS * CHUNK_BYTES)
  #last: Block | undefined

  constructor(readonly blocks: BodyBlocks) {}

  async supply(piece: Uint8Array): Promise<Uint8Array | undefined> {
    const { patcher } = this
    const { needs } = patcher
    if (needs === undefined) return undefined
    const { kind, position, length } = needs
    if (kind === 'literal') return this.#left(piece, position, length)
    const { start, bytes } = await this.#block(position, length)
    if (kind === 'copy') return this.#left(bytes, position - start, length)
    patcher.give(start, bytes)
    return NOTHING
  }

  async close(): Promise<void> {
    this.#last = undefined
  }

  #left(bytes: Uint8Array, from: number, length: number): Uint8Array {
    const left = bytes.subarray(from, from + length)
    this.patcher.skip(left.length)
    return left
  }

  /** The block with the byte at a position, which a copy of so many bytes needs. */
  async #block(position: number, length: number): Promise<Block> {
    const { blocks } = this
    if (position >= blocks.sizeBytes) {
      const message = `Delta copies ${length} bytes at ${position} of a basis of ${blocks.sizeBytes}`
      throw new BackupError('IBT_BASIS_MISMATCH', message)
    }
    const last = this.#last
    if (last !== undefined && holds(last, position)) return last
    const block = await blocks.at(position)
    const { start, bytes } = block
    if (!holds(block, position)) {
      throw new TypeError(`Block at ${start} with ${bytes.length} bytes, not with byte ${position}`)
    }
    this.#last = block
    return block
  }
}
