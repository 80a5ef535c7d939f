import { createHash } from 'node:crypto'
import { CHUNK_BYTES, PART_BYTES, SIGNED_MIN_BYTES } from '../constants.js'
import { isBackupError } from '../errors.js'
import { closeDescriptor, createPatcher } from '../native.js'
import { printPath } from '../path.js'
import type { OldVersion } from '../restore/reuse.js'
import type { Content, Source } from '../types.js'
import type { Listed } from './listing.js'
import { type OldTree, signOld } from './old-tree.js'
import { type Asked, ofEntry, type TreeReceiver } from './tree-receiver.js'

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
   * A function that opens the content as `open` does, with an old version that is open until the end. Undefined if that is
   * not worth it. The content throws IBT_HASH_MISMATCH after its last byte if the old version changes meanwhile.
   */
  async openOver(old: OldVersion): Promise<(() => AsyncGenerator<Uint8Array, void, undefined>) | undefined> {
    if (this.sizeBytes < SIGNED_MIN_BYTES || old.sizeBytes < SIGNED_MIN_BYTES) return undefined
    const signature = await signOld(old, this.old.signal)
    // Nothing is asked for before the first pull: what is asked for has to be taken.
    return () => this.#provenOver(old, signature)
  }

  async *#provenOver(old: OldVersion, signature: Uint8Array | undefined) {
    yield* this.#proven(this.#want(signature), old)
  }

  async #readAll(): Promise<Uint8Array> {
    const asked = this.#ahead ?? (await this.#askWithOld(PART_BYTES))
    this.#ahead = undefined
    const { form } = await asked.head
    if (form === 'whole') return gather(this.#proven(asked, undefined))
    const old = await this.old.open(this.path)
    try {
      if (old !== undefined) return await gather(this.#proven(asked, old))
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
      // The signature of a file that is much longer would be longer than what it saves.
      const isFit = old.sizeBytes <= Math.max(PART_BYTES, 16 * this.sizeBytes)
      const signature = isFit ? await signOld(old, this.old.signal).catch(this.#unlessAborted) : undefined
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

  async *#proven(asked: Asked, old: OldVersion | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const hash = createHash('sha256')
    let bytes = 0
    const { sizeBytes } = await asked.head
    for await (const chunk of this.#made(asked, old)) {
      bytes += chunk.length
      if (bytes > sizeBytes) break
      hash.update(chunk)
      yield chunk
    }
    if (hash.digest('hex') === (await asked.sha256)) return
    const message = `${printPath(this.path)} is not what the sender has: its SHA-256 is another`
    throw ofEntry('IBT_HASH_MISMATCH', this.path, message)
  }

  async *#made(asked: Asked, old: OldVersion | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    const { form } = await asked.head
    if (form === 'whole') yield* asked.chunks
    else if (old !== undefined) yield* patched(old.fd, asked.chunks)
    else throw ofEntry('IBT_BASIS_MISSING', this.path, `The old ${printPath(this.path)} is gone`)
  }
}

async function* patched(basis: number, delta: Source<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const patcher = createPatcher(basis)
  let isOver = false
  for await (const piece of delta) {
    if (isOver) break
    patcher.push(piece)
    for (;;) {
      const output = await patcher.pull(CHUNK_BYTES)
      isOver = output === null
      if (output === null || output.length === 0) break
      yield output
    }
  }
  if (!isOver) patcher.end()
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const gathered: Uint8Array[] = []
  for await (const chunk of chunks) gathered.push(chunk)
  return gathered.length === 1 ? gathered[0]! : Buffer.concat(gathered)
}
