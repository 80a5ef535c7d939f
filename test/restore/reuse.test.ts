import assert from 'node:assert/strict'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createScanner, patchBytes } from '../../src/native.js'
import { CopyFinder, encodeCopies, type PlacedCopy } from '../../src/restore/copies.js'
import { findReusable, joinSegments, missingRanges } from '../../src/restore/reuse.js'
import { deltaOf, edited } from '../helpers/deltas.js'
import { bytesOf } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const SLOW = process.env.SLOW === '1'

async function signatureOf(content: Uint8Array): Promise<Buffer> {
  const scanner = createScanner({ sizeBytes: content.length, sign: true, blockLen: 2048, strongLen: 16 })
  await scanner.update(content)
  return (await scanner.finish()).signature
}

function openBytes(t: TestContext, bytes: Uint8Array) {
  const path = join(temporaryDirectory(t), 'old')
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  t.after(() => closeSync(fd))
  return { fd, path: 'old', sizeBytes: bytes.length }
}

test('a delta of copies is what the engine applies', async () => {
  const basis = randomBytes(100_000, 1)
  const ranges = [
    { position: 99_999, sizeBytes: 1 },
    { position: 0, sizeBytes: 70_000 },
    { position: 300, sizeBytes: 300 }
  ]
  const expected = Buffer.concat(
    ranges.map(({ position, sizeBytes }) => basis.subarray(position, position + sizeBytes))
  )
  assert.ok((await patchBytes(basis, encodeCopies(ranges), 1 << 20)).equals(expected))
  assert.equal((await patchBytes(basis, encodeCopies([]), 1 << 20)).length, 0)
})

test('the copies of a delta are found, in pieces of any size', async () => {
  for (let seed = 1; seed <= (SLOW ? 100 : 10); seed++) {
    const random = createRandom(seed)
    const basis = randomBytes(random.int(300_000), seed)
    const content = edited(basis, random, [500, 100_000][seed % 2])
    const delta = await deltaOf(basis, content)
    const finder = new CopyFinder()
    const copies: PlacedCopy[] = []
    for (let at = 0; at < delta.length; ) {
      const piece = delta.subarray(at, at + 1 + random.int(seed % 3 === 0 ? 5 : 50_000))
      copies.push(...finder.find(piece))
      at += piece.length
    }
    // What is left where the copies are taken out are the literals: the delta has their bytes, and little else.
    const copied = copies.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    assert.ok(content.length - copied <= delta.length, `seed ${seed}`)
    assert.ok(delta.length <= content.length - copied + 20 * (copies.length + 2), `seed ${seed}`)
    for (const { at, position, sizeBytes } of copies) {
      const [made, from] = [content.subarray(at, at + sizeBytes), basis.subarray(position, position + sizeBytes)]
      assert.ok(made.equals(from), `seed ${seed}`)
    }
  }
})

test('a content is made of what an old version has of it, and of the rest', async t => {
  for (let seed = 1; seed <= (SLOW ? 60 : 8); seed++) {
    const random = createRandom(seed)
    const content = randomBytes(400_000 + random.int(100_000), seed)
    const old = openBytes(t, edited(edited(content, random, 50_000), random, 3000))
    const segments = await findReusable(await signatureOf(content), content.length, old, undefined)
    assert.ok(segments, `seed ${seed}`)
    const ranges = missingRanges(segments)
    const missing = ranges.map(({ position, sizeBytes }) => content.subarray(position, position + sizeBytes))
    assert.ok((await bytesOf(joinSegments(segments, old, missing))).equals(content), `seed ${seed}`)
    assert.ok(ranges.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) < content.length)
  }
})

test('an old version with next to nothing of a content is not used', async t => {
  const content = randomBytes(500_000, 1)
  const signature = await signatureOf(content)
  const repeated = Buffer.concat([content, content, content, content, content])
  for (const old of [Buffer.alloc(0), randomBytes(500_000, 2), content.subarray(0, 20_000), repeated]) {
    assert.equal(await findReusable(signature, content.length, openBytes(t, old), undefined), undefined)
  }
  const [whole] = (await findReusable(signature, content.length, openBytes(t, content), undefined))!
  assert.deepEqual(whole, { sizeBytes: content.length, oldAt: 0 })
})
