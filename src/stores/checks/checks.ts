import type { ByteRange, Store } from '../../types.js'

/** Promises of a store, each with what tries it in an empty store. */
export type Checks = Readonly<Record<string, (store: Store) => Promise<void>>>

/** A store that does not hear an abort would leave a test waiting for ever. */
export async function endsWithin(timeoutMs: number, check: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The store has not answered after ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    await Promise.race([check, late])
  } finally {
    clearTimeout(timer)
  }
}

export async function readBytes(store: Store, name: string, range?: ByteRange, signal?: AbortSignal): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(name, range, { signal })) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function read(...call: Parameters<typeof readBytes>): Promise<string> {
  return (await readBytes(...call)).toString('utf8')
}

export async function names(store: Store, prefix?: string): Promise<[string, number][]> {
  const found: [string, number][] = []
  for await (const { name, sizeBytes } of store.list(prefix)) found.push([name, sizeBytes])
  return found
}
