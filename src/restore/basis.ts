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

export interface BasisOptions {
  /** Where a basis is spooled, in a file without a name. */
  readonly spoolDirectory: string | Uint8Array
  readonly signal?: AbortSignal | undefined
}

/** What a delta is applied to: a patcher, and what it reads. */
export interface Basis {
  readonly patcher: Patcher
  /** Gives the patcher the part of the basis that it needs, if it needs one: true if so. */
  supply(): Promise<boolean>
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
  return { patcher, supply: async () => false, close: () => closeBuffered(buffered) }
}

function readBasis(whole: Layer | undefined, options: BasisOptions): Promise<Buffered> {
  return buffer(whole?.open() ?? [], { maxBytes: PART_BYTES, ...options })
}

/** A long basis, of which the blocks are read that copies need. */
class BlockBasis implements Basis {
  readonly patcher: BlockPatcher = createBlockPatcher(CACHE_BYTES)
  /** By number: whether it was read. */
  readonly #read: Uint8Array
  #readBlocks = 0
  #readAgain = 0
  #spooled: Buffered | undefined

  constructor(
    readonly whole: Layer,
    readonly blocks: BodyBlocks,
    readonly options: BasisOptions
  ) {
    this.#read = new Uint8Array(Math.ceil(blocks.sizeBytes / CHUNK_BYTES))
  }

  async supply(): Promise<boolean> {
    const { patcher, blocks } = this
    const { needs } = patcher
    if (needs === undefined) return false
    const { position, length } = needs
    if (position >= blocks.sizeBytes) {
      const message = `Delta copies ${length} bytes at ${position} of a basis of ${blocks.sizeBytes}`
      throw new BackupError('IBT_BASIS_MISMATCH', message)
    }
    this.#count(Math.floor(position / CHUNK_BYTES))
    if (this.#readAgain > AGAIN_MIN + this.#readBlocks * AGAIN_SHARE) {
      await this.#spool()
    } else {
      const { start, bytes } = await blocks.at(position)
      if (start > position || start + bytes.length <= position) {
        throw new TypeError(`Block at ${start} with ${bytes.length} bytes, not with byte ${position}`)
      }
      patcher.give(start, bytes)
    }
    return true
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
