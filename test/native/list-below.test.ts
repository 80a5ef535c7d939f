import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BackupError } from '../../src/errors.js'
import { type Listing, listDirectories, listDirectory } from '../../src/native.js'
import { split, temporaryDirectory } from './tree.js'

/** A directory with three, each with a file and a directory of two files. */
function makeTree(root: string): void {
  for (const name of ['a', 'b', 'c']) {
    mkdirSync(join(root, name, 'below'), { recursive: true })
    for (const file of ['file', 'below/1', 'below/2']) writeFileSync(join(root, name, file), file)
  }
}

/** Names of all that a listing has, with what came along. */
function namesOf(listing: Listing): object {
  const below = new Map(listing.below)
  const names = split(listing.names).map((name, i) => [name, below.has(i) ? namesOf(below.get(i)!) : null])
  return Object.fromEntries(names)
}

test('what is below comes along, each as if it was listed by itself', async t => {
  const root = temporaryDirectory(t)
  makeTree(root)
  const listing = await listDirectory(Buffer.from(root), '.', { belowEntries: 1000 })
  const leaf = { below: { 1: null, 2: null }, file: null }
  assert.deepEqual(namesOf(listing), { a: leaf, b: leaf, c: leaf })
  const b = listing.below.get(1)!
  const { below, ...alone } = await listDirectory(Buffer.from(root), 'b')
  assert.equal(below.size, 0)
  assert.deepEqual({ ...b, below }, { ...alone, below })
})

test('it ends where there are enough entries, in depth-first order', async t => {
  const root = temporaryDirectory(t)
  makeTree(root)
  const listing = await listDirectory(Buffer.from(root), '.', { belowEntries: 6 })
  assert.deepEqual(namesOf(listing), { a: { below: { 1: null, 2: null }, file: null }, b: null, c: null })
  const [first, second, third] = await listDirectories(Buffer.from(root), ['a', 'b', 'c'], { belowEntries: 5 })
  assert.deepEqual(namesOf(first as Listing), { below: { 1: null, 2: null }, file: null })
  assert.deepEqual(namesOf(second as Listing), { below: null, file: null })
  assert.equal(third, undefined)
  const none = await listDirectories(Buffer.from(root), ['a', 'b', 'c'])
  for (const each of none) assert.deepEqual(namesOf(each as Listing), { below: null, file: null })
})

test('a directory with a captured file is not descended from', async t => {
  const root = temporaryDirectory(t)
  makeTree(root)
  writeFileSync(join(root, 'b', '.skip'), 'below')
  const capture = { capture: [Buffer.from('.skip')], captureMaxBytes: 100 }
  const listing = await listDirectory(Buffer.from(root), '.', { ...capture, belowEntries: 1000 })
  const leaf = { below: { 1: null, 2: null }, file: null }
  assert.deepEqual(namesOf(listing), { a: leaf, b: { '.skip': null, below: null, file: null }, c: leaf })
  assert.equal(listing.below.get(1)!.captured[0]?.toString(), 'below')
})

test('links are not followed, other devices not entered, and depth has an end', async t => {
  const root = temporaryDirectory(t)
  makeTree(join(root, 'real'))
  symlinkSync('real', join(root, 'link'))
  mkdirSync(join(root, 'deep', ...Array(100).fill('d')), { recursive: true })
  const listing = await listDirectory(Buffer.from(root), '.', { belowEntries: 1000 })
  const names = split(listing.names)
  assert.ok(!listing.below.has(names.indexOf('link')))
  let depth = 0
  for (let at = listing.below.get(names.indexOf('deep')); at !== undefined; at = at.below.get(0)) depth++
  assert.ok(depth > 10 && depth < 100)
  const system = await listDirectory(Buffer.from('/'), '.', { belowEntries: 1 << 20 })
  for (const [i, below] of system.below) assert.equal(system.devs[i], below.dev)
  assert.ok(!system.below.has(split(system.names).indexOf('proc')))
})

test('each path that cannot be listed says so for itself', async t => {
  const root = temporaryDirectory(t)
  makeTree(root)
  const results = await listDirectories(Buffer.from(root), ['none', 'a', 'a/file'], { belowEntries: 100 })
  const codes = results.map(result => (result instanceof BackupError ? (result.cause as { code: string }).code : 'ok'))
  assert.deepEqual(codes, ['ENOENT', 'ok', 'ENOTDIR'])
  assert.match((results[0] as BackupError).message, /^Cannot list directory none$/)
  await assert.rejects(listDirectories(Buffer.from(join(root, 'gone')), ['a', 'b']), { code: 'IBT_READ_FAILED' })
})
