import { asBuffer } from '../format/byte-reader.js'
import { BLOCK_BYTES, Field } from '../format/tar.js'

/** Stored bytes of one part, about: what one small content costs a reader. */
const PART_STORED_BYTES = 128 * 1024
const SAMPLES = 32
const SAMPLE_BYTES = 256
/** What looks random has at least this share of the different bytes that random ones have: text has 0.4, machine code 0.7. */
const DIFFERENT_MIN = 0.85
const GOLDEN_RATIO = 0.618034
/** Zeros in a sample that takes hardly any room: of a header, or of padding. */
const ZEROS_MIN = SAMPLE_BYTES / 2
/** What compression leaves of other samples, about. */
const OTHER_SHARE = 1 / 3
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
 * Cuts a frame of a tar between its entries, if compression hardly makes it shorter: a reader of one small content fetches
 * its whole frame. Such bytes take the same room in short frames. A frame stays whole if most of its contents compress, if
 * it does not begin with an entry, as those of a large content, or if it repeats itself.
 */
export function cutFrame(frame: Uint8Array): readonly Uint8Array[] {
  if (frame.length <= PART_STORED_BYTES || !isHeader(asBuffer(frame), 0)) return [frame]
  const { random, others } = sampled(frame)
  if (random === 0 || random < others) return [frame]
  const { starts, filled, repeated } = findEntries(asBuffer(frame))
  if (repeated > REPEATED_MAX) return [frame]
  const storedShare = (filled * (random + others * OTHER_SHARE)) / (random + others)
  return cutAt(frame, starts, PART_STORED_BYTES / storedShare)
}

/** Shares of the bytes, by samples from all over: those that look random, as media and archives do, and what is neither that nor nearly empty. */
function sampled(bytes: Uint8Array): { readonly random: number; readonly others: number } {
  const lastSeen = new Uint8Array(256)
  const step = bytes.length / SAMPLES
  let random = 0
  let others = 0
  for (let i = 0; i < SAMPLES; i++) {
    let different = 0
    let zeros = 0
    // Not at equal distances: files of equal size would show the same part every time.
    const start = Math.floor(i * step + ((i * GOLDEN_RATIO) % 1) * (step - SAMPLE_BYTES))
    for (let at = start, end = start + SAMPLE_BYTES; at < end; at++) {
      const byte = bytes[at]!
      if (byte === 0) zeros++
      if (lastSeen[byte] === i + 1) continue
      lastSeen[byte] = i + 1
      different++
    }
    if (zeros >= ZEROS_MIN) continue
    if (different >= DIFFERENT_MIN * differentOf(SAMPLE_BYTES - zeros)) random++
    else others++
  }
  return { random: random / SAMPLES, others: others / SAMPLES }
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
