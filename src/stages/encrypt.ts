import { checkCipher } from '../codec/index.js'
import { BackupError } from '../errors.js'
import { batchStage, isBatch } from '../flow/batches.js'
import { Handover } from '../flow/handover.js'
import { onAbort } from '../flow/on-abort.js'
import { createScanner } from '../native.js'
import {
  type Batched,
  batchOf,
  type Chunk,
  type Cipher,
  type Counted,
  isChunk,
  isSealed,
  type Packed,
  type SealContext,
  type Sealed,
  type Stage
} from '../types.js'

/** What flows behind `encode`: before the state and behind it. */
type Item = Packed | Chunk | Sealed | Counted

/**
 * Encrypts artifacts, each as one stream, and seals them anew: the name with the cipher's suffix, size and SHA-256 of
 * what is stored. It comes behind each `encode`: what it has encrypted before the state, it leaves alone behind it.
 *
 * Consumes and yields `Chunk` and `Sealed`, not as many of them. Other items pass on. Order kept. Look-ahead: none; what
 * the cipher holds back, and the last bytes that it made, come with later chunks of the artifact.
 * Memory: what the cipher makes of two chunks.
 *
 * @throws TypeError at the call for what is not a cipher; what the cipher throws.
 */
export function encrypt<T extends Item = Item>(cipher: Cipher): Stage<T> {
  checkCipher(cipher)
  const stage = batchStage<Item, Item>(async function* encryptStage(source, { signal }) {
    const artifacts = new Map<string, Encrypting>()
    const stopAll = (reason: unknown) => Promise.all([...artifacts.values()].map(artifact => artifact.stop(reason)))
    const stopListening = onAbort(signal, reason => void stopAll(reason))
    const find = (item: Chunk | Sealed) => {
      const artifact = artifacts.get(item.name) ?? new Encrypting(cipher, item, { signal })
      artifacts.set(item.name, artifact)
      return artifact
    }
    try {
      for await (const item of source) {
        for (const single of partsOf(item)) {
          if (isChunk(single) && isPlain(single, cipher)) yield* await find(single).push(single.bytes)
          else if (isSealed(single) && isPlain(single, cipher)) {
            yield* await find(single).seal()
            artifacts.delete(single.name)
          } else yield single
        }
      }
    } finally {
      stopListening()
      await stopAll(new Error('The artifact was not completed'))
    }
  })
  return stage as Stage<Item, never> as Stage<T>
}

function isPlain({ ciphers = [] }: Chunk | Sealed, { suffix }: Cipher): boolean {
  return !ciphers.includes(suffix)
}

/** A batch as it is, unless it has artifacts in it. */
function partsOf(item: Batched<Item>): Iterable<Batched<Item>> {
  if (!isBatch(item)) return [item]
  if (item[batchOf] !== 'items' || ![...item].some(single => isChunk(single) || isSealed(single))) return [item]
  item.keep?.()
  return item
}

/** One artifact on its way through the cipher. */
class Encrypting {
  readonly #input = new Handover<Uint8Array>()
  readonly #scanner = createScanner({})
  readonly #named: Pick<Chunk, 'name' | 'kind' | 'ciphers'>
  readonly #done: Promise<void>
  #ready: Chunk[] = []
  #sizeBytes = 0

  constructor(cipher: Cipher, { name, kind, ciphers = [] }: Chunk | Sealed, context: SealContext) {
    this.#named = { name: name + cipher.suffix, kind, ciphers: [...ciphers, cipher.suffix] }
    this.#done = this.#run(cipher, { ...context, name: this.#named.name })
    this.#done.catch(error => this.#input.fail(error))
  }

  async push(bytes: Uint8Array): Promise<readonly Chunk[]> {
    await this.#input.give(bytes)
    return this.#take()
  }

  async seal(): Promise<readonly (Chunk | Sealed)[]> {
    this.#input.end()
    await this.#done
    const { sha256 } = await this.#scanner.finish()
    const { name, kind, ciphers } = this.#named
    const sealed = { name, kind, ciphers, sizeBytes: this.#sizeBytes, sha256: sha256.toString('hex') }
    return [...this.#take(), { item: 'sealed', ...sealed }]
  }

  /** Resolves when the cipher has stopped. */
  async stop(reason: unknown): Promise<void> {
    this.#input.fail(reason)
    await this.#done.catch(() => {})
  }

  async #run(cipher: Cipher, context: SealContext): Promise<void> {
    let hashing: Promise<unknown> = Promise.resolve()
    try {
      let last: Uint8Array | undefined
      for await (const bytes of cipher.seal(this.#input, context)) {
        await hashing
        this.#give(last)
        // It is hashed before anybody else has it, while the cipher makes the next bytes.
        last = bytes
        hashing = this.#scanner.update(bytes)
        hashing.catch(() => {})
      }
      await hashing
      this.#give(last)
    } finally {
      await hashing.catch(() => {})
    }
    if (this.#input.isAtEnd) return
    const { name } = this.#named
    throw new BackupError('IBT_WRITE_FAILED', `The cipher ended ${name} before all was encrypted`, { path: name })
  }

  #give(bytes: Uint8Array | undefined): void {
    if (bytes === undefined) return
    this.#sizeBytes += bytes.length
    this.#ready.push({ item: 'chunk', ...this.#named, bytes })
  }

  #take(): Chunk[] {
    const ready = this.#ready
    this.#ready = []
    return ready
  }
}
