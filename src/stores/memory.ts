import { randomBytes } from 'node:crypto'
import { CHUNK_BYTES } from '../constants.js'
import type { Store } from '../types.js'
import { defineStore } from './define-store.js'
import { compareStoredNames } from './stored-name.js'

/** A store that can give a name to one of many that ask for it. */
export type CreatingStore = Store & Required<Pick<Store, 'create'>>

/** A store in memory, for tests and small backups. Every call keeps and gives copies. Memory: all that was put. */
export function memoryStore(): CreatingStore {
  const contents = new Map<string, Uint8Array>()
  const store = defineStore({
    id: `memory-${randomBytes(8).toString('hex')}`,

    async put(name, source, { signal }) {
      const chunks: Uint8Array[] = []
      for await (const chunk of source) chunks.push(chunk)
      signal?.throwIfAborted()
      contents.set(name, Buffer.concat(chunks))
    },

    get(name, { start, end = Infinity }) {
      const content = contents.get(name)
      return content && slices(content, start, Math.min(end, content.length))
    },

    async *list(prefix) {
      for (const name of [...contents.keys()].sort(compareStoredNames)) {
        const content = name.startsWith(prefix) ? contents.get(name) : undefined
        if (content !== undefined) yield { name, sizeBytes: content.length }
      }
    },

    async delete(name) {
      contents.delete(name)
    },

    async create(name, bytes) {
      if (contents.has(name)) return false
      contents.set(name, Uint8Array.from(bytes))
      return true
    }
  })
  return store as CreatingStore
}

function* slices(content: Uint8Array, start: number, end: number): Generator<Uint8Array, void, undefined> {
  for (let at = start; at < end; at += CHUNK_BYTES) {
    yield new Uint8Array(content.subarray(at, Math.min(end, at + CHUNK_BYTES)))
  }
}
