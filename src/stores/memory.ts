import { randomBytes } from 'node:crypto'
import { CHUNK_BYTES } from '../constants.js'
import { abortable } from '../flow/abortable.js'
import type { ByteRange, Source, Store, StoredName, StoreOptions } from '../types.js'
import { checkChunk, checkRange, checkSource, checkStoredName, compareStoredNames, notFound } from './stored-name.js'

/** A store in memory, for tests and small backups. Every call keeps and gives copies. Memory: all that was put. */
export function memoryStore(): Store & Required<Pick<Store, 'create'>> {
  return new Memory()
}

class Memory implements Store {
  readonly id = `memory-${randomBytes(8).toString('hex')}`
  readonly #contents = new Map<string, Uint8Array>()

  async put(name: string, source: Source<Uint8Array>, { signal }: StoreOptions = {}): Promise<void> {
    checkStoredName(name)
    checkSource(source)
    signal?.throwIfAborted()
    const chunks: Uint8Array[] = []
    for await (const chunk of abortable(source, signal)) {
      checkChunk(chunk)
      chunks.push(chunk)
    }
    signal?.throwIfAborted()
    this.#contents.set(name, Buffer.concat(chunks))
  }

  get(name: string, range: ByteRange = { start: 0 }, { signal }: StoreOptions = {}): AsyncGenerator<Uint8Array, void> {
    checkStoredName(name)
    checkRange(range)
    return this.#read(name, range, signal)
  }

  async *list(prefix = '', { signal }: StoreOptions = {}): AsyncGenerator<StoredName, void, undefined> {
    for (const name of [...this.#contents.keys()].sort(compareStoredNames)) {
      signal?.throwIfAborted()
      const content = name.startsWith(prefix) ? this.#contents.get(name) : undefined
      if (content !== undefined) yield { name, sizeBytes: content.length }
    }
  }

  async delete(name: string, { signal }: StoreOptions = {}): Promise<void> {
    checkStoredName(name)
    signal?.throwIfAborted()
    this.#contents.delete(name)
  }

  async create(name: string, bytes: Uint8Array, { signal }: StoreOptions = {}): Promise<boolean> {
    checkStoredName(name)
    checkChunk(bytes)
    signal?.throwIfAborted()
    if (this.#contents.has(name)) return false
    this.#contents.set(name, Uint8Array.from(bytes))
    return true
  }

  async *#read(
    name: string,
    { start, end = Infinity }: ByteRange,
    signal: AbortSignal | undefined
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const content = this.#contents.get(name)
    if (content === undefined) throw notFound(name)
    const stop = Math.min(end, content.length)
    for (let at = start; at < stop; at += CHUNK_BYTES) {
      signal?.throwIfAborted()
      yield new Uint8Array(content.subarray(at, Math.min(stop, at + CHUNK_BYTES)))
    }
  }
}
