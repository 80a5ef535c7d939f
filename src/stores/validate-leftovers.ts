import type { Store, StoreOptions } from '../types.js'
import { decodeHolder, encodeHolder, isGone, thisProcess } from './lock-holder.js'
import { TRIED } from './stored-name.js'

const PROBE = new RegExp(`^(${TRIED}[0-9a-f]{8})\\.probe$`)
const HOLDER_BYTES_MAX = 4096

/** What is in a probe: who tries the store under its prefix. */
export async function encodeProbe(): Promise<Uint8Array> {
  return encodeHolder(await thisProcess())
}

/**
 * Deletes what trials of processes that are known to be gone have left in a store, the probe last. A store that cannot do
 * that is about to be told so.
 *
 * @throws the signal's reason
 */
export async function clearLeftovers(store: Store, options: StoreOptions): Promise<void> {
  try {
    const names: string[] = []
    for await (const { name } of store.list(TRIED, options)) names.push(name)
    for (const probe of names) {
      const [, prefix] = PROBE.exec(probe) ?? []
      if (prefix === undefined || !(await isOfGone(store, probe, options))) continue
      for (const name of names) if (name.startsWith(`${prefix}.`) && name !== probe) await store.delete(name, options)
      await store.clean?.(prefix)
      await store.delete(probe, options)
    }
  } catch {
    options.signal?.throwIfAborted()
  }
}

async function isOfGone(store: Store, probe: string, options: StoreOptions): Promise<boolean> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(probe, { start: 0, end: HOLDER_BYTES_MAX }, options)) chunks.push(chunk)
  const holder = decodeHolder(Buffer.concat(chunks))
  return holder !== undefined && isGone(holder)
}
