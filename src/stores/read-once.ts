import { createHash } from 'node:crypto'
import { CHUNK_BYTES } from '../constants.js'
import type { ByteRange, Store, StoredName, StoreOptions } from '../types.js'
import { withinRange } from './stored-name.js'
import { wrapStore } from './wrap-store.js'

/** Bytes that wait for those before them, of all artifacts together: then what is missing between is read. */
const AHEAD_BYTES = 64 * 1024 * 1024
/** Bytes that are kept of those that have been hashed, of all artifacts together. */
const BEHIND_BYTES = 32 * 1024 * 1024

/** A store that hashes artifacts while somebody reads parts of them. */
export interface ReadOnceStore extends Store {
  /** Reads what nobody has read yet; resolves to the SHA-256 of the whole artifact, in hex. @throws what the store throws */
  digest(name: string): Promise<string>
}

/**
 * A store that gives ranges of artifacts and their digests, and reads each byte once: a digest needs all bytes in order,
 * a reader of files asks for those that it needs, in nearly that order. What is read early waits in memory until all
 * before it has been read; what was hashed is kept for a while.
 *
 * Memory: `AHEAD_BYTES`, `BEHIND_BYTES` and what is asked for at a time. Bytes that are asked for again much later, or
 * much earlier than their place says, are read twice: contents of files that were renamed, and bases of large deltas.
 */
export function readOnce(store: Store, stored: readonly StoredName[], options: StoreOptions = {}): ReadOnceStore {
  const memory = new Memory()
  const artifacts = new Map(
    stored.map(({ name, sizeBytes }) => [name, new OnceRead(store, name, sizeBytes, memory, options)])
  )
  return {
    ...wrapStore(store, {
      get(name, range, getOptions) {
        return artifacts.get(name)?.bytes(range) ?? store.get(name, range, getOptions)
      }
    }),
    digest(name) {
      const artifact = artifacts.get(name)
      if (artifact === undefined) throw new TypeError(`${name} is not one of the artifacts`)
      return artifact.digest()
    }
  }
}

interface Block {
  readonly artifact: OnceRead
  readonly start: number
  readonly bytes: Uint8Array
}

/** What artifacts keep in memory, behind what they have hashed. The oldest block goes first. */
class Memory {
  readonly #artifacts = new Set<OnceRead>()
  readonly #behind = new Set<Block>()
  #behindBytes = 0

  keep(block: Block): void {
    this.#behind.add(block)
    this.#behindBytes += block.bytes.length
    for (const oldest of this.#behind) {
      if (this.#behindBytes <= BEHIND_BYTES) break
      this.#behind.delete(oldest)
      this.#behindBytes -= oldest.bytes.length
      oldest.artifact.forget(oldest)
    }
  }

  /** Has the artifact with the most bytes ahead read what is missing before them, until few enough are left. */
  async bound(artifact: OnceRead): Promise<void> {
    this.#artifacts.add(artifact)
    for (;;) {
      const all = [...this.#artifacts].sort((a, b) => b.aheadBytes - a.aheadBytes)
      if (all.reduce((sum, { aheadBytes }) => sum + aheadBytes, 0) <= AHEAD_BYTES) return
      await all[0]!.catchUp()
    }
  }
}

class OnceRead {
  /** Bytes that are in memory and not hashed yet. */
  aheadBytes = 0
  readonly #hash = createHash('sha256')
  /** How far it is hashed. */
  #hashed = 0
  /** By their place. */
  #ahead: Block[] = []
  readonly #behind = new Set<Block>()
  #digest: Promise<string> | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(
    readonly store: Store,
    readonly name: string,
    readonly sizeBytes: number,
    readonly memory: Memory,
    readonly options: StoreOptions
  ) {}

  async *bytes({ start, end = this.sizeBytes }: ByteRange = { start: 0 }): AsyncGenerator<Uint8Array, void, undefined> {
    const stop = Math.min(end, this.sizeBytes)
    for (let at = start; at < stop; at += CHUNK_BYTES) {
      const next = Math.min(stop, at + CHUNK_BYTES)
      const parts = await this.#inTurn(() => this.#read(at, next))
      await this.memory.bound(this)
      yield* parts
    }
  }

  digest(): Promise<string> {
    this.#digest ??= this.#inTurn(async () => {
      while (this.#ahead.length > 0) await this.#hashUpTo(this.#ahead[0]!.start)
      await this.#hashUpTo(this.sizeBytes)
      return this.#hash.digest('hex')
    })
    return this.#digest
  }

  catchUp(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#ahead.length > 0) await this.#hashUpTo(this.#ahead[0]!.start)
    })
  }

  forget(block: Block): void {
    this.#behind.delete(block)
  }

  /** One at a time: two that ask for the same bytes would both read them. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }

  /** The bytes in pieces, out of memory as far as they are there. */
  async #read(start: number, end: number): Promise<Uint8Array[]> {
    const parts: Uint8Array[] = []
    for (let at = start; at < end; ) {
      const block = this.#find(at)
      if (block === undefined) {
        const bytes = await this.#fetch(at, Math.min(end, this.#nextBlock(at)))
        if (bytes.length === 0) break
        parts.push(bytes)
        at += bytes.length
      } else {
        const part = block.bytes.subarray(at - block.start, end - block.start)
        parts.push(part)
        at += part.length
      }
    }
    this.#hashAhead()
    return parts
  }

  #find(at: number): Block | undefined {
    const holds = ({ start, bytes }: Block) => start <= at && at < start + bytes.length
    return this.#ahead.find(holds) ?? [...this.#behind].find(holds)
  }

  /** Where the next bytes begin that are in memory, or the next that are not hashed. */
  #nextBlock(at: number): number {
    const starts = [...this.#ahead, ...this.#behind].map(({ start }) => start)
    if (at < this.#hashed) starts.push(this.#hashed)
    return Math.min(Infinity, ...starts.filter(start => start > at))
  }

  /** Blocks that overlap would never be hashed. */
  #get(range: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    return withinRange(this.store.get(this.name, range, this.options), this.name, range)
  }

  async #fetch(start: number, end: number): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    for await (const chunk of this.#get({ start, end })) chunks.push(chunk)
    const bytes = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    const block = { artifact: this, start, bytes }
    if (start >= this.#hashed) {
      this.#ahead.push(block)
      this.#ahead.sort((a, b) => a.start - b.start)
      this.aheadBytes += bytes.length
    } else this.#keep(block)
    return bytes
  }

  #keep(block: Block): void {
    this.#behind.add(block)
    this.memory.keep(block)
  }

  /** Hashes what is in memory as far as nothing is missing. */
  #hashAhead(): void {
    while (this.#ahead[0]?.start === this.#hashed) {
      const block = this.#ahead.shift()!
      this.#hash.update(block.bytes)
      this.#hashed += block.bytes.length
      this.aheadBytes -= block.bytes.length
      this.#keep(block)
    }
  }

  /** Reads what is missing, and hashes on from there. */
  async #hashUpTo(end: number): Promise<void> {
    if (end > this.#hashed) {
      for await (const chunk of this.#get({ start: this.#hashed, end })) {
        this.#hash.update(chunk)
        this.#hashed += chunk.length
      }
      // The artifact is shorter than it was listed: its digest will say so.
      this.#hashed = Math.max(this.#hashed, end)
    }
    this.#hashAhead()
  }
}
