import { decodeStateEntry } from '../format/state-decode.js'
import { contentKey, familyKey, inodeKey, mayRotate } from '../stores/origins.js'
import type { ChainLink, Metadata, Origin, Origins, SignaturePlace } from '../types.js'
import type { Asker } from './asker.js'
import type { Question } from './messages.js'

/** Bytes of keys, at most: of a tree of 100 million files. */
const KEYS_BYTES = 1200 * 1024 * 1024
/** Bytes of one line of a state, at most. */
const LINE_BYTES = 16 * 1024 * 1024
const UINT32_BYTES = 4

/**
 * Origins in the receiver's store. Their keys come at the first question, so that the receiver is asked only for what it
 * probably has: what is new costs no way there and back. Memory: 4 bytes a file, 12 for one that has a signature.
 */
export class RemoteOrigins implements Origins {
  #asking: Promise<readonly Uint32Array[]> | undefined
  #contents: Uint32Array | undefined

  constructor(
    readonly asker: Asker,
    readonly links: readonly ChainLink[],
    readonly signature: (place: SignaturePlace) => Promise<Uint8Array | undefined>
  ) {}

  ofContent(sha256: string, sizeBytes: number): Promise<Origin | undefined> | undefined {
    const key = contentKey(sha256)
    if (this.#contents !== undefined && !has(this.#contents, key)) return undefined
    return this.#find(0, key, { ask: 'content', sha256, sizeBytes })
  }

  async ofInode({ path, ino }: Metadata): Promise<Origin | undefined> {
    return ino === undefined ? undefined : this.#find(1, inodeKey(ino), { ask: 'inode', path, ino: String(ino) })
  }

  async ofName({ path, sizeBytes = 0 }: Metadata): Promise<Origin | undefined> {
    return mayRotate(path) ? this.#find(2, familyKey(path), { ask: 'name', path, sizeBytes }) : undefined
  }

  async #find(kind: number, key: number, question: Question): Promise<Origin | undefined> {
    const keys = await (this.#asking ??= this.#askKeys())
    if (!has(keys[kind]!, key)) return undefined
    const line = await this.asker.ask(question, LINE_BYTES)
    if (line === undefined) return undefined
    const entry = decodeStateEntry(line.toString('utf8'), this.links)
    const { signature } = entry
    return { entry, basis: signature && (() => this.signature(signature)) }
  }

  async #askKeys(): Promise<readonly Uint32Array[]> {
    const bytes = (await this.asker.ask({ ask: 'keys' }, KEYS_BYTES)) ?? Buffer.alloc(0)
    const kinds: Uint32Array[] = []
    let at = 3 * UINT32_BYTES
    for (let kind = 0; kind < 3; kind++) {
      const length = bytes.length < at ? 0 : bytes.readUInt32LE(kind * UINT32_BYTES)
      const keys = Uint32Array.from({ length }, (_, i) => bytes.readUInt32LE(at + i * UINT32_BYTES))
      kinds.push(keys.sort())
      at += length * UINT32_BYTES
    }
    this.#contents = kinds[0]
    return kinds
  }
}

/** Whether a sorted array has a number. */
function has(keys: Uint32Array, key: number): boolean {
  let [low, high] = [0, keys.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return keys[low] === key
}
