const SHA256 = ',"sha256":"'
const SHA256_DIGITS = 64
const SIGNATURE = ',"signature":'

// What a line of a state says, without an entry made of it. Of a text, no part looks so: its quotes have a backslash.

/** The digest of the content. */
export function digestIn(line: string): string | undefined {
  const at = line.indexOf(SHA256)
  return at < 0 ? undefined : line.slice(at + SHA256.length, at + SHA256.length + SHA256_DIGITS)
}

export function hasSignature(line: string): boolean {
  return line.includes(SIGNATURE)
}
