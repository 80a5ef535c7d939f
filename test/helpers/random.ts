import { createCipheriv } from 'node:crypto'

/** Numbers and bytes that depend on the seed only. */
export interface Random {
  /** An integer from 0 up to but not including `below`. */
  int(below: number): number
  chance(probability: number): boolean
  pick<T>(items: readonly T[]): T
  bytes(length: number): Buffer
}

/** The generator mulberry32; bytes are AES-CTR's, which come at gigabytes a second. */
export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  const int = (below: number) => next() % below
  return {
    int,
    chance: probability => next() < probability * 2 ** 32,
    pick: items => items[int(items.length)]!,
    bytes(length) {
      const key = Buffer.alloc(16)
      key.writeUInt32LE(next())
      return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(length))
    }
  }
}
