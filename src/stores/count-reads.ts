import { parseArtifactName } from '../format/names.js'
import type { Store } from '../types.js'
import { wrapStore } from './wrap-store.js'

/** What was read of archives: of contents, not of states and sigvaults. */
export interface ReadCounts {
  /** Archives of which something was read. */
  readonly archives: number
  /** Calls of `get`. */
  readonly requests: number
  /** Bytes as they are stored. */
  readonly storedBytes: number
}

/** A store that counts what is read of archives, or of what else is said. Memory: the names of those. */
export function countReads(
  store: Store,
  isCounted: (name: string) => boolean = isArchive
): { readonly store: Store; readonly counts: () => ReadCounts } {
  const names = new Set<string>()
  let requests = 0
  let storedBytes = 0
  const counted = wrapStore(store, {
    async *get(name, range, options) {
      if (!isCounted(name)) {
        yield* store.get(name, range, options)
        return
      }
      names.add(name)
      requests++
      for await (const chunk of store.get(name, range, options)) {
        storedBytes += chunk.length
        yield chunk
      }
    }
  })
  return { store: counted, counts: () => ({ archives: names.size, requests, storedBytes }) }
}

function isArchive(name: string): boolean {
  const kind = parseArtifactName(name)?.kind
  return kind === 'full' || kind === 'created' || kind === 'updated'
}
