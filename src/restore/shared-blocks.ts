import { type FileRange, shareBlocks } from '../native/share.js'

/** Fewer bytes are written: a call of the system costs more. */
const SHARED_MIN_BYTES = 16 * 1024
/** A system call takes offsets of whole blocks, and no block is smaller. */
const BLOCK_MIN_BYTES = 512
/** What a file system answers that has no such call. */
const UNABLE: readonly string[] = ['ENOTSUP', 'ENOTTY', 'ENOSYS']

/** Bytes from `start` up to `end`. */
interface Range {
  readonly start: number
  readonly end: number
}

export interface SharedBlocksOptions {
  /** Devices whose files cannot share blocks: they are not asked again. */
  readonly unable: Set<bigint>
  readonly signal: AbortSignal | undefined
}

/**
 * The blocks that a file which is being written shares with an old version. A block belongs to the file from the moment
 * it is shared: whoever writes into the old version afterwards writes into another block.
 */
export class SharedBlocks {
  /** In order, and not written past yet. */
  readonly #ranges: Range[] = []
  #sizeBytes = 0
  #isUnable: boolean
  #sharing: Promise<unknown> | undefined

  constructor(
    readonly fd: number,
    readonly dev: bigint,
    readonly options: SharedBlocksOptions
  ) {
    this.#isUnable = options.unable.has(dev)
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /**
   * Shares what can be of a range of the old version that the file is to have at a position. The file has nothing behind
   * that position yet. Resolves to the range of the file that has its bytes now: an empty one if that is none.
   */
  async share(old: FileRange, at: number, sizeBytes: number): Promise<Range> {
    const none = { start: at, end: at }
    if (this.#isUnable || sizeBytes < SHARED_MIN_BYTES || (old.at - at) % BLOCK_MIN_BYTES !== 0) return none
    const { unable, signal } = this.options
    const sharing = shareBlocks(old, { fd: this.fd, at }, sizeBytes, signal)
    this.#sharing = sharing.catch(() => {})
    const shared = await sharing
    if (shared.error !== undefined) {
      this.#isUnable = true
      if (UNABLE.includes(shared.error.code)) unable.add(this.dev)
    }
    if (shared.sizeBytes === 0) return none
    const range = { start: at + shared.start, end: at + shared.start + shared.sizeBytes }
    this.#ranges.push(range)
    this.#sizeBytes += shared.sizeBytes
    return range
  }

  /** Whether the bytes at a position are shared. Positions ascend. */
  has(position: number): boolean {
    while (this.#ranges[0] !== undefined && this.#ranges[0].end <= position) this.#ranges.shift()
    const [next] = this.#ranges
    return next !== undefined && next.start <= position
  }

  /** Waits until nothing is shared any more, as after an abort. */
  async idle(): Promise<void> {
    await this.#sharing
  }
}
