import { randomBytes } from 'node:crypto'
import { CHUNK_BYTES } from '../constants.js'
import type { Store } from '../types.js'
import { defineStore } from './define-store.js'
import { compareStoredNames, notFound, retained } from './stored-name.js'

/** A store that can give a name to one of many that ask for it. */
export type CreatingStore = Store & Required<Pick<Store, 'create'>>

/** A store that can also keep names from being deleted or replaced. */
export type RetainingStore = CreatingStore & Required<Pick<Store, 'retain'>>

/** A store in memory, for tests and small backups. Every call keeps and gives copies. Memory: all that was put. */
export function memoryStore(): RetainingStore {
  const contents = new Map<string, Uint8Array>()
  const untils = new Map<string, number>()
  const store = defineStore({
    id: `memory-${randomBytes(8).toString('hex')}`,

    async put(name, source, { signal }) {
      const chunks: Uint8Array[] = []
      for await (const chunk of source) chunks.push(chunk)
      signal?.throwIfAborted()
      checkRetained(name)
      contents.set(name, Buffer.concat(chunks))
    },

    get(name, { start, end = Infinity }) {
      const content = contents.get(name)
      return content && slices(content, start, Math.min(end, content.length))
    },

    async *list(prefix) {
      for (const name of [...contents.keys()].sort(compareStoredNames)) {
        const content = name.startsWith(prefix) ? contents.get(name) : undefined
        const retainedUntilMs = untils.get(name)
        if (content !== undefined)
          yield { name, sizeBytes: content.length, ...(retainedUntilMs !== undefined && { retainedUntilMs }) }
      }
    },

    async delete(name) {
      checkRetained(name)
      contents.delete(name)
      untils.delete(name)
    },

    async create(name, bytes) {
      if (contents.has(name)) return false
      contents.set(name, Uint8Array.from(bytes))
      return true
    },

    async retain(name, untilMs) {
      if (!contents.has(name)) throw notFound(name)
      untils.set(name, Math.max(untilMs, untils.get(name) ?? 0))
    }
  })
  return store as RetainingStore

  function checkRetained(name: string): void {
    const untilMs = untils.get(name) ?? 0
    if (untilMs > Date.now()) throw retained(name, untilMs)
  }
}

function* slices(content: Uint8Array, start: number, end: number): Generator<Uint8Array, void, undefined> {
  for (let at = start; at < end; at += CHUNK_BYTES) {
    yield new Uint8Array(content.subarray(at, Math.min(end, at + CHUNK_BYTES)))
  }
}
