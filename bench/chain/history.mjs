// Sources that change a little every day: one large file, and a tree of files.
import { createCipheriv } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { random, text } from '../tree/corpus.mjs'

/** Bytes that do not compress, repeatable. */
function noise(sizeBytes, seed) {
  const iv = Buffer.alloc(16)
  iv.writeUInt32BE(seed)
  return createCipheriv('aes-128-ctr', Buffer.alloc(16), iv).update(Buffer.alloc(sizeBytes))
}

/** Every other MiB is digits, which compress to half. */
function content(sizeBytes) {
  const bytes = noise(sizeBytes, 1)
  for (let at = 0; at < sizeBytes; at += 2 << 20) bytes.write(bytes.toString('hex', at, at + (1 << 19)), at, 'latin1')
  return bytes
}

/** One file; a day overwrites ranges of it, a share of its bytes together, and inserts a few bytes in two places. */
export function fileHistory(directory, { sizeBytes, share, rangeBytes }) {
  const path = join(directory, 'file')
  mkdirSync(directory, { recursive: true })
  writeFileSync(path, content(sizeBytes))
  return day => {
    const next = random(day)
    let bytes = readFileSync(path)
    for (let left = sizeBytes * share; left > 0; left -= rangeBytes) {
      const length = Math.min(rangeBytes, Math.ceil(left))
      bytes.set(noise(length, day * 1000 + Math.ceil(left / rangeBytes)), Math.floor(next() * (bytes.length - length)))
    }
    for (let insert = 0; insert < 2; insert++) {
      const at = Math.floor(next() * bytes.length)
      bytes = Buffer.concat([bytes.subarray(0, at), noise(100 + Math.floor(next() * 4000), day), bytes.subarray(at)])
    }
    writeFileSync(path, bytes)
  }
}

/** Files of words; a day overwrites some lines in a share of them. */
export function treeHistory(directory, { files, share }) {
  const pathOf = i => join(directory, `package-${i >> 6}`, `d${(i >> 4) & 3}`, `file-${i}.js`)
  for (let i = 0; i < files; i++) {
    if (i % 16 === 0) mkdirSync(join(pathOf(i), '..'), { recursive: true })
    writeFileSync(pathOf(i), text(i))
  }
  return day => {
    const next = random(day)
    for (let edited = 0; edited < files * share; edited++) {
      const path = pathOf(Math.floor(next() * files))
      const bytes = readFileSync(path)
      const at = Math.floor(next() * bytes.length)
      const line = Buffer.from(`edited on day ${day}: ${next()}\n`)
      writeFileSync(path, Buffer.concat([bytes.subarray(0, at), line, bytes.subarray(at)]))
    }
  }
}
