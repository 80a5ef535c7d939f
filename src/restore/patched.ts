import { hash } from 'node:crypto'
import { CHUNK_BYTES, PART_BYTES } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { abortable, untilAbort } from '../flow/abortable.js'
import { createProver } from '../native.js'
import { printPath } from '../path.js'
import type { Content, Layer, Layered, Source } from '../types.js'
import { type Basis, type BasisOptions, openBasis } from './basis.js'
import { composeLayers } from './compose-layers.js'
import { encodeCopies } from './copies.js'
import { findReusable, joinSegments, missingRanges, type OldVersions } from './reuse.js'
import type { SharedBlocks } from './shared-blocks.js'
import { StoredLayer } from './stored-layer.js'

/** Zeros are excluded: the addon takes them for no digest. */
const DIGEST = /^(?!0{64})[0-9a-f]{64}$/

/** The content of a file of a backup, made from its layers and proven by its digest. */
export class PatchedContent implements Content {
  constructor(
    readonly entry: Layered,
    readonly layers: readonly Layer[],
    readonly options: BasisOptions
  ) {}

  get read(): (() => Promise<Uint8Array>) | undefined {
    const { sha256, signatureDigest } = this.entry
    if (sha256 === undefined && signatureDigest !== undefined) return undefined
    const read = this.layers.length === 1 ? this.layers[0]!.read : undefined
    return read && (() => this.#readProven(read))
  }

  async #readProven(read: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const { sha256, sizeBytes = Infinity } = this.entry
    const bytes = await read()
    if (sha256 === undefined || (bytes.length === sizeBytes && hash('sha256', bytes) === sha256)) return bytes
    throw mismatch(this.entry, bytes.length)
  }

  /** The body of a content that is stored as it is, for a caller that proves it. `read` and `open` say what is wrong with it. */
  get unproven(): { readonly body: StoredLayer; readonly sha256: string } | undefined {
    const { sha256 } = this.entry
    const [body] = this.layers
    if (sha256 === undefined || this.layers.length !== 1 || !(body instanceof StoredLayer)) return undefined
    return body.form === 'whole' && DIGEST.test(sha256) ? { body, sha256 } : undefined
  }

  open(): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizeBytes = Infinity } = this.entry
    return sizeBytes <= PART_BYTES ? this.#buffered() : this.#proven()
  }

  /**
   * A function that opens the content as `open` does, with what an old version of the file has of it read from there, or
   * shared with it: undefined if that is not worth it, or not known. The old version is open until the end. Of several, the
   * first is taken.
   */
  async openOver([old]: OldVersions): Promise<
    ((shared: SharedBlocks) => AsyncGenerator<Uint8Array, void, undefined>) | undefined
  > {
    const { readSignature, sizeBytes, sha256, signatureDigest } = this.entry
    const hasDigest = sha256 !== undefined || signatureDigest !== undefined
    if (readSignature === undefined || sizeBytes === undefined || !hasDigest) return undefined
    const segments = await findReusable(await readSignature(), sizeBytes, old, this.options.signal)
    if (segments === undefined) return undefined
    const missing = encodeCopies(missingRanges(segments))
    const parts = this.#content([{ form: 'delta', open: () => [missing] }])
    return shared => this.#proven(joinSegments(segments, old, parts, shared))
  }

  /** The content is proven before its first byte leaves. */
  async *#buffered(): AsyncGenerator<Uint8Array, void, undefined> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#proven()) chunks.push(chunk)
    if (chunks.length > 0) yield chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
  }

  async *#proven(content: Source<Uint8Array> = this.#content()): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizeBytes = Infinity } = this.entry
    const { signal } = this.options
    const prover = createProver(this.entry)
    let bytes = 0
    for await (const chunk of content) {
      bytes += chunk.length
      if (bytes > sizeBytes) break
      await prover?.update(chunk, signal)
      yield chunk
    }
    if (prover === undefined || (bytes === sizeBytes && (await prover.isProven(signal)))) return
    throw mismatch(this.entry, bytes)
  }

  /** Each byte is made once, whatever the number of deltas. `more`: deltas on the content. */
  async *#content(more: readonly Layer[] = []): AsyncGenerator<Uint8Array, void, undefined> {
    const from = this.layers.findLastIndex(({ form }) => form === 'whole')
    const whole = this.layers[from]
    const deltas = [...this.layers.slice(from + 1), ...more]
    if (deltas.length > 0) yield* this.#patched(whole, deltas)
    else if (whole !== undefined) yield* whole.open()
  }

  async *#patched(whole: Layer | undefined, deltas: readonly Layer[]): AsyncGenerator<Uint8Array, void, undefined> {
    const { path } = this.entry
    const { options } = this
    const blocks = await whole?.blocks?.()
    const isSmall = whole === undefined || (blocks !== undefined && blocks.sizeBytes <= PART_BYTES)
    const composed = isSmall && deltas.length === 1 ? undefined : await composeLayers(path, deltas, options)
    let basis: Basis | undefined
    try {
      basis = await openBasis({ whole, blocks, deltas: composed }, options)
      yield* this.#applied(composed ?? deltas[0]!, basis)
    } finally {
      await basis?.close()
      await composed?.close()
    }
  }

  async *#applied(delta: { open(): Source<Uint8Array> }, basis: Basis): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* applied(delta.open(), basis, this.options.signal)
    } catch (error) {
      // The engine knows bytes but not their path.
      if (!isBackupError(error) || error.path !== undefined) throw error
      const { path } = this.entry
      const message = `A delta of ${printPath(path)} cannot be applied: ${error.message}`
      throw new BackupError(error.code, message, { path, cause: error })
    }
  }
}

function mismatch({ path, sha256, signatureDigest }: Layered, sizeBytes: number): BackupError {
  const digest =
    sha256 === undefined ? `a signature with the SHA-256 ${signatureDigest?.sha256}` : `the SHA-256 ${sha256}`
  const message = `${printPath(path)} is not what was backed up: its ${sizeBytes} bytes do not have ${digest}`
  return new BackupError('IBT_HASH_MISMATCH', message, { path })
}

async function* applied(
  delta: Source<Uint8Array>,
  basis: Basis,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  const { patcher } = basis
  const supply = (bytes: Uint8Array) => untilAbort(basis.supply(bytes), signal)
  for await (const bytes of abortable(delta, signal)) {
    patcher.push(bytes)
    for (;;) {
      const output = await patcher.pull(CHUNK_BYTES, signal)
      if (output === null) return
      if (output.length > 0) yield output
      const supplied = await supply(bytes)
      if (supplied === undefined && output.length === 0) break
      for (let left = supplied; left !== undefined && left.length > 0; left = await supply(bytes)) yield left
    }
  }
  patcher.end()
}
