/** Samples of a frame, and bytes of each. */
const SAMPLES = 32
const SAMPLE_BYTES = 256
/** Bits a byte, of 8: to code the bytes of what has more saves less than a hundredth. */
const ENTROPY_MIN = 7.95

/**
 * Whether the bytes look random, as those of media, archives and ciphertexts do: by samples from all over. What repeats
 * within the frame, but looks random otherwise, is taken for random, too. Shorter bytes than the samples are not judged.
 */
export function isIncompressible(bytes: Uint8Array): boolean {
  if (bytes.length < SAMPLES * SAMPLE_BYTES) return false
  const counts = new Uint32Array(256)
  const step = Math.floor((bytes.length - SAMPLE_BYTES) / (SAMPLES - 1))
  for (let i = 0; i < SAMPLES; i++) {
    for (let at = i * step, end = at + SAMPLE_BYTES; at < end; at++) counts[bytes[at]!]!++
  }
  return entropyOf(counts, SAMPLES * SAMPLE_BYTES) > ENTROPY_MIN
}

/** Bits a byte of so many, of which there are so many of each value. */
export function entropyOf(counts: Uint32Array, total: number): number {
  let bits = 0
  for (const count of counts) if (count > 0) bits += count * Math.log2(total / count)
  return bits / total
}
