/** Source: BIP 173, "Bech32". */
const DIGITS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const GENERATORS: readonly number[] = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3]
const CHECKSUM_DIGITS = 6

/** The bytes behind a prefix in lower case; undefined if the text is damaged. */
export function decodeBech32(prefix: string, text: string): Uint8Array | undefined {
  if (!text.startsWith(`${prefix}1`)) return undefined
  const digits = [...text.slice(prefix.length + 1)].map(letter => DIGITS.indexOf(letter))
  const codes = [...prefix].map(letter => letter.charCodeAt(0))
  const checked = [...codes.map(code => code >> 5), 0, ...codes.map(code => code & 31), ...digits]
  if (digits.length < CHECKSUM_DIGITS || digits.includes(-1) || checksum(checked) !== 1) return undefined
  const bytes: number[] = []
  let [bits, length] = [0, 0]
  for (const digit of digits.slice(0, -CHECKSUM_DIGITS)) {
    bits = ((bits << 5) | digit) & 0xfff
    length += 5
    if (length < 8) continue
    length -= 8
    bytes.push((bits >> length) & 0xff)
  }
  const isPadded = length < 5 && (bits & ((1 << length) - 1)) === 0
  return isPadded ? Uint8Array.from(bytes) : undefined
}

function checksum(digits: readonly number[]): number {
  let sum = 1
  for (const digit of digits) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ digit
    for (const [i, generator] of GENERATORS.entries()) if ((top >> i) & 1) sum ^= generator
  }
  return sum
}
