// Two dates of a tree that looks like a project, for who has none at hand: few large files, many small ones of words.
import { appendFileSync, cpSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const WORDS = 'const import export function return if else for await async string number type interface'.split(' ')

/** Repeatable. */
export function random(seed) {
  let state = seed + 0x9e3779b9
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d)
    state = Math.imul(state ^ (state >>> 12), 0x297a2d39)
    return ((state ^= state >>> 15) >>> 0) / 2 ** 32
  }
}

export function text(seed) {
  const next = random(seed)
  const lines = 2 + Math.floor(next() ** 4 * 2000)
  const word = () => `${WORDS[Math.floor(next() * WORDS.length)]}${next() < 0.3 ? Math.floor(next() * 1e6) : ''}`
  return Array.from({ length: lines }, () => `${word()} ${word()} ${word()} ${word()}\n`).join('')
}

/** Makes `old` and `new` in a directory. */
export function makeTrees(directory, count) {
  const [older, newer] = ['old', 'new'].map(name => join(directory, name))
  for (let i = 0; i < count; i++) {
    const parent = join(older, `package-${i >> 6}`, `d${(i >> 4) & 3}`)
    if (i % 16 === 0) mkdirSync(parent, { recursive: true })
    writeFileSync(join(parent, `file-${i}.js`), text(i))
  }
  cpSync(older, newer, { recursive: true, preserveTimestamps: true })
  for (let i = 0; i < count; i += 10) {
    const path = join(newer, `package-${i >> 6}`, `d${(i >> 4) & 3}`, `file-${i}.js`)
    if (i % 30 === 0) rmSync(path)
    else if (i % 30 === 10) appendFileSync(path, text(count + i))
    else renameSync(path, `${path}.old`)
  }
  return [older, newer]
}
