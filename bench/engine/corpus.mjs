// The contents that the benchmark is about: random bytes, the same with scattered edits, and unrelated bytes.
import { createCipheriv } from 'node:crypto'
import { closeSync, existsSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const CHUNK_BYTES = 1 << 20
const EDIT_BYTES_MAX = 20_000

/** Bytes and numbers that are the same on every machine. */
export function randomSource(seed) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16))
  const bytes = length => cipher.update(Buffer.alloc(length))
  const below = limit => Math.floor((bytes(6).readUIntBE(0, 6) / 2 ** 48) * limit)
  return { bytes, below }
}

export function writeRandom(path, sizeBytes, seed) {
  const random = randomSource(seed)
  const fd = openSync(path, 'w')
  for (let left = sizeBytes; left > 0; left -= CHUNK_BYTES) writeSync(fd, random.bytes(Math.min(left, CHUNK_BYTES)))
  closeSync(fd)
}

/** Inserts, overwrites and deletes, of 1 to 20,000 bytes each. */
function writeEdited(from, to, edits, seed) {
  const random = randomSource(seed)
  const sizeBytes = statSync(from).size
  const places = Array.from({ length: edits }, () => random.below(sizeBytes)).sort((a, b) => a - b)
  const [source, target] = [openSync(from, 'r'), openSync(to, 'w')]
  const buffer = Buffer.alloc(CHUNK_BYTES)
  let position = 0
  for (const place of [...places, sizeBytes]) {
    while (position < place) {
      const count = readSync(source, buffer, 0, Math.min(CHUNK_BYTES, place - position), position)
      writeSync(target, buffer, 0, count)
      position += count
    }
    if (place === sizeBytes) break
    const length = 1 + random.below(EDIT_BYTES_MAX)
    const kind = random.below(3)
    if (kind < 2) writeSync(target, random.bytes(length))
    if (kind > 0) position = Math.min(sizeBytes, position + length)
  }
  closeSync(source)
  closeSync(target)
}

/** Makes what the directory lacks. */
export function makeCorpus(directory, mib, edits) {
  const [basis, edited, unrelated] = ['big.a', 'big.b', 'big.c'].map(name => join(directory, name))
  if (!existsSync(basis)) writeRandom(basis, mib << 20, 1)
  if (!existsSync(edited)) writeEdited(basis, edited, edits, 2)
  if (!existsSync(unrelated)) writeRandom(unrelated, (mib << 20) / 4, 3)
  return { basis, edited, unrelated }
}
