import assert from 'node:assert/strict'
import { closeSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { dataExtents, listDirectory } from '../../src/native.js'
import { temporaryDirectory } from './tree.js'

const MIB = 1024 * 1024

function sparseFile(path: string, sizeBytes: number, written: readonly number[]): number {
  const fd = openSync(path, 'wx+')
  for (const offset of written) writeSync(fd, 'data', offset)
  ftruncateSync(fd, sizeBytes)
  return fd
}

test('extents hold all that was written, and leave the holes out', async t => {
  const root = temporaryDirectory(t)
  const written = [5 * MIB, 9 * MIB + 3, 20 * MIB - 4]
  const fd = sparseFile(join(root, 'x'), 30 * MIB, written)
  t.after(() => closeSync(fd))
  const extents = await dataExtents(fd, 30 * MIB, 100)
  for (const offset of written) {
    const holder = extents.find(extent => extent.offset <= offset && offset + 4 <= extent.offset + extent.sizeBytes)
    assert.ok(holder, `byte ${offset}`)
  }
  if (fstatSync(fd).blocks * 512 > MIB) return t.skip('the file system has no holes')
  assert.ok(extents.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) < MIB)
  const listing = await listDirectory(Buffer.from(root), '.')
  assert.deepEqual([...listing.sparse], [1])
})

test('a descriptor keeps its position, for it may be shared', async t => {
  const fd = sparseFile(join(temporaryDirectory(t), 'x'), 30 * MIB, [5 * MIB, 20 * MIB])
  t.after(() => closeSync(fd))
  writeSync(fd, 'first ', null)
  await dataExtents(fd, 30 * MIB, 100)
  writeSync(fd, 'second', null)
  const start = Buffer.alloc(12)
  readSync(fd, start, 0, 12, 0)
  assert.equal(start.toString(), 'first second')
})

test('a file of nothing has no extents, one that is all hole neither', async t => {
  const root = temporaryDirectory(t)
  const empty = sparseFile(join(root, 'empty'), 0, [])
  const hole = sparseFile(join(root, 'hole'), 3 * MIB, [])
  t.after(() => [empty, hole].forEach(closeSync))
  assert.deepEqual(await dataExtents(empty, 0, 100), [])
  if (fstatSync(hole).blocks > 0) return t.skip('the file system has no holes')
  assert.deepEqual(await dataExtents(hole, 3 * MIB, 100), [])
})

test('behind the last extent that is allowed all is data', async t => {
  const fd = sparseFile(join(temporaryDirectory(t), 'x'), 40 * MIB, [0, 10 * MIB, 20 * MIB, 30 * MIB])
  t.after(() => closeSync(fd))
  const extents = await dataExtents(fd, 40 * MIB, 2)
  const last = extents.at(-1)!
  assert.ok(extents.length <= 2)
  assert.equal(last.offset + last.sizeBytes, 40 * MIB)
})

test('a file that is shorter than it says has no extents behind its end', async t => {
  const fd = sparseFile(join(temporaryDirectory(t), 'x'), 100, [0])
  t.after(() => closeSync(fd))
  const [extent, ...others] = await dataExtents(fd, 50 * MIB, 10)
  assert.ok(extent!.sizeBytes >= 100)
  assert.deepEqual(others, [])
})
