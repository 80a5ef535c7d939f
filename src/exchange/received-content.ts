import { createHash } from 'node:crypto'
import { PART_BYTES, SIGNED_MIN_BYTES } from '../constants.js'
import { isBackupError } from '../errors.js'
import { closeDescriptor } from '../native.js'
import { printPath } from '../path.js'
import { applyDelta } from '../restore/apply-delta.js'
import type { OldVersions } from '../restore/reuse.js'
import type { SharedBlocks } from '../restore/shared-blocks.js'
import type { Content } from '../types.js'
import type { Listed } from './listing.js'
import { type OldTree, signOld } from './old-tree.js'
import { type Asked, ofEntry, type TreeReceiver } from './tree-receiver.js'

/** What a delta is applied to. */
interface DeltaBasis {
  readonly olds: OldVersions
  readonly shared?: SharedBlocks | undefined
}

/**
 * The content of a file that the sender has: asked for when it is opened, or ahead. What the directory has of it already is
 * taken from there, by a delta, and the result is proven by its SHA-256. If it is another one, as when the old file changes
 * meanwhile, the whole content is asked for.
 * Memory: of a content of up to `PART_BYTES`, its bytes twice; else one chunk.
 */
export class ReceivedContent implements Content {
  readonly path: string
  readonly sizeBytes: number
  readonly isRepeatable = true
  #ahead: Asked | undefined

  constructor(
    readonly listed: Listed,
    readonly receiver: TreeReceiver,
    readonly old: OldTree
  ) {
    const { path, sizeBytes = Infinity } = listed.entry
    this.path = path
    this.sizeBytes = sizeBytes
  }

  /** Asks now for what will be read soon. What comes is in memory until then, up to `maxBytes`. */
  async askAhead(maxBytes: number): Promise<void> {
    this.#ahead = await this.#askWithOld(maxBytes)
  }

  get read(): (() => Promise<Uint8Array>) | undefined {
    return this.sizeBytes > PART_BYTES ? undefined : () => this.#readAll()
  }

  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.sizeBytes <= PART_BYTES) yield await this.#readAll()
    else yield* this.#proven(this.#want(), undefined)
  }

  /**
   * A function that opens the content as `open` does, with what old versions have of it read from there, or shared with
   * them: undefined if that is not worth it. They are open until the end. The content throws IBT_HASH_MISMATCH after its
   * last byte if one of them changes meanwhile.
   */
  async openOver(
    olds: OldVersions
  ): Promise<((shared: SharedBlocks) => AsyncGenerator<Uint8Array, void, undefined>) | undefined> {
    if (this.sizeBytes < SIGNED_MIN_BYTES) return undefined
    const signature = await signOld(olds, this.sizeBytes, this.old.signal)
    // Nothing is asked for before the first pull: what is asked for has to be taken.
    return signature && (shared => this.#provenOver({ olds, shared }, signature))
  }

  async *#provenOver(basis: DeltaBasis, signature: Uint8Array) {
    yield* this.#proven(this.#want(signature), basis)
  }

  async #readAll(): Promise<Uint8Array> {
    const asked = this.#ahead ?? (await this.#askWithOld(PART_BYTES))
    this.#ahead = undefined
    const { form } = await asked.head
    if (form === 'whole') return gather(this.#proven(asked, undefined))
    const old = await this.old.open(this.path)
    try {
      if (old !== undefined) return await gather(this.#proven(asked, { olds: [old] }))
    } catch (error) {
      // The old file is another one by now.
      if (this.old.signal?.aborted || !isBackupError(error)) throw error
      await asked.sha256
    } finally {
      if (old !== undefined) await closeDescriptor(old.fd)
    }
    return gather(this.#proven(this.#want(undefined, PART_BYTES), undefined))
  }

  async #askWithOld(maxBytes: number): Promise<Asked> {
    const old = this.sizeBytes < SIGNED_MIN_BYTES ? undefined : await this.old.open(this.path)
    if (old === undefined) return this.#want(undefined, maxBytes)
    try {
      const signature = await signOld([old], this.sizeBytes, this.old.signal).catch(this.#unlessAborted)
      return this.#want(signature, maxBytes)
    } finally {
      await closeDescriptor(old.fd)
    }
  }

  readonly #unlessAborted = (error: unknown): undefined => {
    if (this.old.signal?.aborted || !isBackupError(error)) throw error
  }

  #want(signature?: Uint8Array, maxBytes?: number): Asked {
    return this.receiver.want(this.listed.number, { path: this.path, signature, maxBytes })
  }

  async *#proven(asked: Asked, basis: DeltaBasis | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const hash = createHash('sha256')
    let bytes = 0
    const { sizeBytes } = await asked.head
    for await (const chunk of this.#made(asked, basis)) {
      bytes += chunk.length
      if (bytes > sizeBytes) break
      hash.update(chunk)
      yield chunk
    }
    if (hash.digest('hex') === (await asked.sha256)) return
    const message = `${printPath(this.path)} is not what the sender has: its SHA-256 is another`
    throw ofEntry('IBT_HASH_MISMATCH', this.path, message)
  }

  async *#made(asked: Asked, basis: DeltaBasis | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const { form } = await asked.head
    if (form === 'whole') yield* asked.chunks
    else if (basis !== undefined) yield* applyDelta(asked.chunks, basis.olds, basis.shared)
    else throw ofEntry('IBT_BASIS_MISSING', this.path, `The old ${printPath(this.path)} is gone`)
  }
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const gathered: Uint8Array[] = []
  for await (const chunk of chunks) gathered.push(chunk)
  return gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered)
}
