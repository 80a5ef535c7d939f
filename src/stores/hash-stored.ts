import { createHash } from 'node:crypto'
import type { Store, StoreOptions } from '../types.js'

/** What a store has under a name: its bytes, and their SHA-256 in hex. Reads all of it. @throws what the store throws */
export async function hashStored(
  store: Store,
  name: string,
  options: StoreOptions
): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const bytes of store.get(name, undefined, options)) {
    hash.update(bytes)
    sizeBytes += bytes.length
  }
  return { sizeBytes, sha256: hash.digest('hex') }
}
