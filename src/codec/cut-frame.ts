import { asBuffer } from '../format/byte-reader.js'
import { BLOCK_BYTES, Field } from '../format/tar.js'
import { entropyOf } from './incompressible.js'

/** Stored bytes of one part, about: what one small content costs a reader. */
const PART_STORED_BYTES = 128 * 1024
const SAMPLES = 32
const SAMPLE_BYTES = 256
/** What looks random has at least this share of the different bytes that random ones have: text has 0.4, machine code 0.7. */
const DIFFERENT_MIN = 0.85
const GOLDEN_RATIO = 0.618034
/** Spreads a word over a table: 2^32 by the golden ratio. */
const HASH_FACTOR = 0x9e3779b1
/** Zeros in a sample that takes hardly any room: of a header, or of padding. */
const ZEROS_MIN = SAMPLE_BYTES / 2
/** What compression leaves of samples of text and of machine code, about. */
const OTHER_SHARE = 1 / 3
/**
 * The share of sequences of four bytes that came before: 0.25 and more in text and machine code, 0.07 in random words, at
 * most 0.06 in random bytes as hexadecimal, and none as base64. Those gain nothing by what is far from them.
 */
const PATTERN_MIN = 0.065
/** A frame of which a larger share of the blocks comes twice stays whole: that is found in one frame only. */
const REPEATED_MAX = 1 / 16
/** Where a block is looked at to find it again: behind what all files of a format begin with. */
const WORD_AT = 256
/** How much of a block has something in it, about, if that ends in its first half. */
const SHORT_BLOCK = 1 / 4
/** `usta`, and what follows it. */
const MAGIC = 0x61747375
const MAGIC_END = 0x72
/** Types of headers that belong to the next one: PAX records, long names and long link targets of GNU tar. */
const EXTENSIONS = new Set([0x78, 0x4c, 0x4b])

/**
 * Cuts a frame of a tar between its entries, if compression gains nothing by its length: a reader of one small content
 * fetches its whole frame. That are contents that look random, also within a small alphabet. A frame stays whole if most
 * of its contents have patterns, as text has, if it does not begin with an entry, as those of a large content, or if it
 * repeats itself.
 */
export function cutFrame(frame: Uint8Array): readonly Uint8Array[] {
  if (frame.length <= PART_STORED_BYTES || !isHeader(asBuffer(frame), 0)) return [frame]
  const { random, others, otherShare, hasPattern } = sampled(frame)
  if (random + others === 0 || (hasPattern && random < others)) return [frame]
  const { starts, filled, repeated } = findEntries(asBuffer(frame))
  if (repeated > REPEATED_MAX) return [frame]
  const storedShare = (filled * (random + others * otherShare)) / (random + others)
  return cutAt(frame, starts, PART_STORED_BYTES / storedShare)
}

/** What samples from all over a frame look like. */
interface Sampled {
  /** How many look random, as media and archives do. */
  readonly random: number
  /** How many neither do nor are nearly empty. */
  readonly others: number
  /** What compression leaves of those, about. */
  readonly otherShare: number
  /** Whether they say the same again and again. */
  readonly hasPattern: boolean
}

function sampled(bytes: Uint8Array): Sampled {
  const lastSeen = new Uint8Array(256)
  const patterns = new Patterns()
  const step = bytes.length / SAMPLES
  let random = 0
  let others = 0
  for (let i = 0; i < SAMPLES; i++) {
    let different = 0
    let zeros = 0
    // Not at equal distances: files of equal size would show the same part every time.
    const start = Math.floor(i * step + ((i * GOLDEN_RATIO) % 1) * (step - SAMPLE_BYTES))
    const end = start + SAMPLE_BYTES
    for (let at = start; at < end; at++) {
      const byte = bytes[at]!
      if (byte === 0) zeros++
      if (lastSeen[byte] === i + 1) continue
      lastSeen[byte] = i + 1
      different++
    }
    if (zeros >= ZEROS_MIN) continue
    if (different >= DIFFERENT_MIN * differentOf(SAMPLE_BYTES - zeros)) random++
    else {
      others++
      patterns.add(bytes.subarray(start, end))
    }
  }
  const hasPattern = patterns.repeated > PATTERN_MIN
  return { random, others, otherShare: hasPattern ? OTHER_SHARE : patterns.entropy / 8, hasPattern }
}

/** Counts bytes, and sequences of four that come again. Zeros, which fill headers up, do not count. */
class Patterns {
  readonly #counts = new Uint32Array(256)
  readonly #seen = new Int32Array(1 << 13)
  #bytes = 0
  #again = 0

  add(sample: Uint8Array): void {
    let word = 0
    for (const byte of sample) {
      if (byte === 0) continue
      this.#counts[byte]!++
      this.#bytes++
      word = (word << 8) | byte
      const slot = Math.imul(word, HASH_FACTOR) >>> 19
      if (this.#seen[slot] === word) this.#again++
      else this.#seen[slot] = word
    }
  }

  /** The share of sequences that were there before. */
  get repeated(): number {
    return this.#again / Math.max(1, this.#bytes)
  }

  /** Bits a byte. */
  get entropy(): number {
    return entropyOf(this.#counts, Math.max(1, this.#bytes))
  }
}

/** How many different values so many random bytes have, on average. */
function differentOf(count: number): number {
  return 256 * (1 - Math.exp(-count / 256))
}

interface Blocks {
  /** Where entries begin, with the records before their headers. */
  readonly starts: readonly number[]
  /** How much of the frame is neither headers nor padding, about. */
  readonly filled: number
  /** Share of those that were there before. */
  readonly repeated: number
}

function findEntries(frame: Buffer): Blocks {
  const starts: number[] = []
  const seen = new Int32Array(4096)
  let filled = 0
  let repeated = 0
  let isExtended = false
  for (let at = 0; at + BLOCK_BYTES <= frame.length; at += BLOCK_BYTES) {
    if (isHeader(frame, at)) {
      if (!isExtended) starts.push(at)
      isExtended = EXTENSIONS.has(frame[at + Field.type]!)
      continue
    }
    const word = frame.readInt32LE(at + WORD_AT)
    if (word === 0) {
      if (frame.readInt32LE(at) !== 0) filled += SHORT_BLOCK
      continue
    }
    const slot = word & (seen.length - 1)
    filled++
    if (seen[slot] === word) repeated++
    seen[slot] = word
  }
  const blocks = frame.length / BLOCK_BYTES
  return { starts, filled: filled / blocks, repeated: repeated / blocks }
}

function isHeader(frame: Buffer, at: number): boolean {
  return frame.readInt32LE(at + Field.magic) === MAGIC && frame[at + Field.magic + 4] === MAGIC_END
}

/** In parts of at most `partBytes`, but that an entry which is longer is one part. */
function cutAt(frame: Uint8Array, starts: readonly number[], partBytes: number): readonly Uint8Array[] {
  const parts: Uint8Array[] = []
  let start = 0
  let last = 0
  for (const border of [...starts, frame.length]) {
    if (border - start > partBytes && last > start) {
      parts.push(frame.subarray(start, last))
      start = last
    }
    last = border
  }
  parts.push(frame.subarray(start))
  return parts
}
