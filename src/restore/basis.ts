import { CHUNK_BYTES, PART_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { type BlockPatcher, createBlockPatcher, createPatcher, type Patcher } from '../native/patcher.js'
import type { BodyBlocks, Layer } from '../types.js'
import { type Buffered, buffer, closeBuffered, randomAccess } from './buffered.js'

/** Blocks of a large basis that stay in memory for copies that go back. */
const CACHE_BYTES = 2 * PART_BYTES
/** Blocks that may be read again in any case, and the share of all. */
const AGAIN_MIN = 16
const AGAIN_SHARE = 1 / 4

const NOTHING = new Uint8Array(0)

export interface BasisOptions {
  /** Where a basis is spooled, in a file without a name. */
  readonly spoolDirectory: string | Uint8Array
  readonly signal?: AbortSignal | undefined
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
 * Opens a whole body as the basis of a delta; none is an empty one.
 * Memory: up to `PART_BYTES`, twice. A longer basis is read block by block as copies need it, with 16 MiB of blocks in
 * memory. It is spooled if it cannot be read like that, or when copies go back and forth so much that more than a quarter
 * of its blocks were read again.
 *
 * @throws BackupError IBT_WRITE_FAILED of the spool; what the layer throws.
 */
export async function openBasis(whole: Layer | undefined, options: BasisOptions): Promise<Basis> {
  const blocks = await whole?.blocks?.()
  if (blocks !== undefined && blocks.sizeBytes > PART_BYTES) return new BlockBasis(whole!, blocks, options)
  const buffered = await readBasis(whole, options)
  const patcher = createPatcher(await randomAccess(buffered))
  return { patcher, supply: async () => undefined, close: () => closeBuffered(buffered) }
}

function readBasis(whole: Layer | undefined, options: BasisOptions): Promise<Buffered> {
  return buffer(whole?.open() ?? [], { maxBytes: PART_BYTES, ...options })
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
  readonly patcher: BlockPatcher = createBlockPatcher(CACHE_BYTES)
  /** By number: whether it was read. */
  readonly #read: Uint8Array
  #readBlocks = 0
  #readAgain = 0
  #last: Block | undefined
  #spooled: Buffered | undefined

  constructor(
    readonly whole: Layer,
    readonly blocks: BodyBlocks,
    readonly options: BasisOptions
  ) {
    this.#read = new Uint8Array(Math.ceil(blocks.sizeBytes / CHUNK_BYTES))
  }

  async supply(piece: Uint8Array): Promise<Uint8Array | undefined> {
    const { patcher } = this
    const { needs } = patcher
    if (needs === undefined) return undefined
    const { kind, position, length } = needs
    if (kind === 'literal') return this.#left(piece, position, length)
    const block = await this.#block(position, length)
    if (block === undefined) return NOTHING
    const { start, bytes } = block
    if (kind === 'copy') return this.#left(bytes, position - start, length)
    patcher.give(start, bytes)
    return NOTHING
  }

  #left(bytes: Uint8Array, from: number, length: number): Uint8Array {
    const left = bytes.subarray(from, from + length)
    this.patcher.skip(left.length)
    return left
  }

  /** The block with the byte at a position; undefined: the basis was spooled. */
  async #block(position: number, length: number): Promise<Block | undefined> {
    const { blocks } = this
    const last = this.#last
    if (last !== undefined && holds(last, position)) return last
    if (position >= blocks.sizeBytes) {
      const message = `Delta copies ${length} bytes at ${position} of a basis of ${blocks.sizeBytes}`
      throw new BackupError('IBT_BASIS_MISMATCH', message)
    }
    this.#count(Math.floor(position / CHUNK_BYTES))
    if (this.#readAgain > AGAIN_MIN + this.#readBlocks * AGAIN_SHARE) {
      await this.#spool()
      return undefined
    }
    const block = await blocks.at(position)
    const { start, bytes } = block
    if (!holds(block, position)) {
      throw new TypeError(`Block at ${start} with ${bytes.length} bytes, not with byte ${position}`)
    }
    this.#last = block
    return block
  }

  close(): Promise<void> {
    return closeBuffered(this.#spooled)
  }

  #count(block: number): void {
    if (this.#read[block]) this.#readAgain++
    else this.#readBlocks++
    this.#read[block] = 1
  }

  async #spool(): Promise<void> {
    this.#spooled = await readBasis(this.whole, this.options)
    const source = await randomAccess(this.#spooled)
    if (typeof source === 'number') this.patcher.readFrom(source)
    else this.patcher.give(0, source)
  }
}
