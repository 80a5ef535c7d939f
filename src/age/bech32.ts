const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const CHECKSUM_LENGTH = 6

/**
 * The bytes of a text in Bech32, as keys of age are written: in one case, with a prefix that is known, and a checksum.
 * Undefined for any other text. Source: BIP 173.
 */
export function decodeBech32(text: string, prefix: string): Uint8Array | undefined {
  const lower = text.toLowerCase()
  if ((text !== lower && text !== text.toUpperCase()) || !lower.startsWith(`${prefix}1`)) return undefined
  const values = Array.from(lower.slice(prefix.length + 1), letter => ALPHABET.indexOf(letter))
  if (values.length < CHECKSUM_LENGTH || values.includes(-1)) return undefined
  const codes = Array.from(prefix, letter => letter.charCodeAt(0))
  const checked = [...codes.map(code => code >> 5), 0, ...codes.map(code => code & 31), ...values]
  if (checksum(checked) !== 1) return undefined
  return toBytes(values.slice(0, -CHECKSUM_LENGTH))
}

function checksum(values: readonly number[]): number {
  let sum = 1
  for (const value of values) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ value
    for (const [i, term] of GENERATOR.entries()) if ((top >>> i) & 1) sum ^= term
  }
  return sum
}

/** Values of five bits as bytes; undefined if bits are left over that are not padding. */
function toBytes(values: readonly number[]): Uint8Array | undefined {
  const bytes: number[] = []
  let bits = 0
  let held = 0
  for (const value of values) {
    held = ((held << 5) | value) & 0xfff
    bits += 5
    if (bits < 8) continue
    bits -= 8
    bytes.push((held >>> bits) & 0xff)
  }
  return bits < 5 && (held & ((1 << bits) - 1)) === 0 ? Uint8Array.from(bytes) : undefined
}
