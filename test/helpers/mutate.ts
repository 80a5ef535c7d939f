import type { Random } from './random.js'

const BYTES: readonly number[] = [0, 1, 0x0a, 0x20, 0x30, 0x39, 0x7f, 0x80, 0xff]
/** Numbers that parsers get wrong, as they stand in texts. */
const NUMBERS: readonly string[] = [
  '0',
  '-1',
  '00',
  '1e9',
  '4294967296',
  '9007199254740993',
  '18446744073709551616',
  '9'.repeat(40)
]

type Mutation = (bytes: Buffer, random: Random) => Buffer

/** Where something begins, and how long it is: mostly short, and anywhere. */
function pickRange(bytes: Buffer, random: Random): readonly [start: number, end: number] {
  const start = random.int(bytes.length + 1)
  return [start, Math.min(bytes.length, start + random.int(random.pick([2, 9, 65, 600, 5000])))]
}

const MUTATIONS: readonly Mutation[] = [
  function flip(bytes, random) {
    const copy = Buffer.from(bytes)
    if (copy.length > 0) copy[random.int(copy.length)]! ^= 1 << random.int(8)
    return copy
  },
  function set(bytes, random) {
    const copy = Buffer.from(bytes)
    if (copy.length > 0) copy[random.int(copy.length)] = random.pick(BYTES)
    return copy
  },
  /** Lengths and offsets live in words. */
  function setWord(bytes, random) {
    const copy = Buffer.from(bytes)
    if (copy.length < 8) return copy
    const at = random.int(copy.length - 7)
    copy.fill(random.pick([0, 0x7f, 0xff]), at, at + random.pick([2, 4, 8]))
    return copy
  },
  (bytes, random) => bytes.subarray(0, random.int(bytes.length + 1)),
  function remove(bytes, random) {
    const [start, end] = pickRange(bytes, random)
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
  },
  function repeat(bytes, random) {
    const [start, end] = pickRange(bytes, random)
    return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)])
  },
  function move(bytes, random) {
    const [start, end] = pickRange(bytes, random)
    const rest = Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
    const at = random.int(rest.length + 1)
    return Buffer.concat([rest.subarray(0, at), bytes.subarray(start, end), rest.subarray(at)])
  },
  function insert(bytes, random) {
    const at = random.int(bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), random.bytes(random.int(20)), bytes.subarray(at)])
  },
  function renumber(bytes, random) {
    const text = bytes.toString('latin1')
    const numbers = [...text.matchAll(/\d+/g)]
    if (numbers.length === 0) return bytes
    const { index, 0: number } = random.pick(numbers)
    return Buffer.from(text.slice(0, index) + random.pick(NUMBERS) + text.slice(index + number.length), 'latin1')
  }
]

/** The bytes with one to four damages. */
export function mutate(bytes: Uint8Array, random: Random): Buffer {
  let mutated = Buffer.from(bytes)
  for (let left = 1 + random.int(4); left > 0; left--) mutated = Buffer.from(random.pick(MUTATIONS)(mutated, random))
  return mutated
}
