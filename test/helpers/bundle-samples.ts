import { createHash } from 'node:crypto'
import { bundle } from '../../src/stages/index.js'
import type { Chunk, Kind, Sealed, Source } from '../../src/types.js'
import { bytesOf } from './entries.js'
import { createRandom } from './random.js'

export const DATE = '20261123T120000.000Z'
export const STATE = `key.state.${DATE}.json`
export const FULL = `key.full.${DATE}.tar.zst`
export const VOLUME_BYTES = 1000

export function chunk(name: string, kind: Kind, bytes: Buffer): Chunk {
  return { item: 'chunk', name, kind, bytes }
}

export function seal(name: string, kind: Kind, ...parts: readonly Buffer[]): Sealed {
  const bytes = Buffer.concat(parts)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { item: 'sealed', name, kind, sizeBytes: bytes.length, sha256 }
}

/** An artifact of a few volumes, between whose chunks another one's stand. */
export function bundleItems(fullBytes = 2500): (Chunk | Sealed)[] {
  const full = createRandom(3).bytes(fullBytes)
  const state = Buffer.from('{"state":true}\n')
  return [
    chunk(FULL, 'full', full.subarray(0, 700)),
    chunk(STATE, 'state', state),
    chunk(FULL, 'full', full.subarray(700)),
    seal(FULL, 'full', full),
    seal(STATE, 'state', state)
  ]
}

export function toBundle(items: Source<Chunk | Sealed>, volumeBytes = VOLUME_BYTES): Promise<Buffer> {
  return bytesOf(bundle({ volumeBytes })(items))
}

/** Seals as they are, and the bytes of each artifact. */
export function contentsOf(items: readonly (Chunk | Sealed)[]): unknown {
  const bytes = new Map<string, Uint8Array[]>()
  for (const item of items) if ('bytes' in item) bytes.set(item.name, [...(bytes.get(item.name) ?? []), item.bytes])
  const joined = [...bytes].map(([name, parts]) => [name, Buffer.concat(parts).toString('hex')])
  return [items.filter(({ item }) => item === 'sealed'), Object.fromEntries(joined)]
}

export function* cut(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
