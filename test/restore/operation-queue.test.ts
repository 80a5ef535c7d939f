import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BATCH_BYTES, BATCHED_FILE_BYTES, PART_BYTES } from '../../src/constants.js'
import type { BackupError } from '../../src/errors.js'
import { Operation, openRoot } from '../../src/native.js'
import { OperationQueue } from '../../src/restore/operation-queue.js'
import type { PathOperation } from '../../src/restore/operations.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const SIZES = [
  ...[0, 1, BATCHED_FILE_BYTES, BATCHED_FILE_BYTES + 1, 10, BATCHED_FILE_BYTES - 1, BATCH_BYTES, 0, PART_BYTES],
  ...[BATCH_BYTES + 1, PART_BYTES - 1, PART_BYTES, 5, ...Array.from({ length: 600 }, (_, i) => (i * 7919) % 30_000)]
]

async function queueOf(t: TestContext, isNew: boolean) {
  const root = temporaryDirectory(t)
  const fd = await openRoot(Buffer.from(root))
  t.after(() => closeSync(fd))
  const done: string[] = []
  const failures: BackupError[] = []
  const observer = {
    onDone: ({ path }: PathOperation) => void done.push(path),
    onUnset: () => {},
    onSpared: () => {},
    onFailed: (_: PathOperation, error: BackupError) => void failures.push(error)
  }
  const queue = new OperationQueue(fd, { isNew, setsOwner: true, observer, signal: undefined })
  return { root, done, failures, queue }
}

for (const isNew of [true, false]) {
  const where = isNew ? 'where nothing is' : 'over what is there'
  test(`bodies of all sizes are written ${where}, each its own`, async t => {
    const { root, failures, queue } = await queueOf(t, isNew)
    for (const [i, size] of SIZES.entries()) {
      if (i % 50 === 0) await queue.add({ code: Operation.makeDirectory, path: `d${i / 50}` })
      const path = `d${Math.floor(i / 50)}/f${i}`
      await queue.add({ code: Operation.writeFile, path }, randomBytes(size, i))
    }
    await queue.flush()
    assert.deepEqual(failures, [])
    for (const [i, size] of SIZES.entries()) {
      const found = readFileSync(join(root, `d${Math.floor(i / 50)}/f${i}`))
      assert.ok(found.equals(randomBytes(size, i)), `body ${i} of ${size} bytes`)
    }
  })
}

test('failures and successes are reported in order, and one failure does not stop the others', async t => {
  const { root, done, failures, queue } = await queueOf(t, true)
  for (let i = 0; i < 2000; i++) {
    const path = i % 100 === 7 ? `none/f${i}` : `f${i}`
    await queue.add({ code: Operation.writeFile, path }, Buffer.from('x'))
  }
  await queue.flush()
  assert.deepEqual(
    failures.map(({ path }) => path),
    Array.from({ length: 20 }, (_, i) => `none/f${100 * i + 7}`)
  )
  assert.ok(existsSync(join(root, 'f1999')))
  const expected = Array.from({ length: 2000 }, (_, i) => `f${i}`).filter((_, i) => i % 100 !== 7)
  assert.deepEqual(done, expected)
})

test('a body without its digest is asked for again: it is written if that is right, else its error ends all', async t => {
  const { root, failures, queue } = await queueOf(t, true)
  const sha256 = createHash('sha256').update('right').digest('hex')
  const write = async (path: string, again: () => Promise<Uint8Array>) => {
    await queue.add({ code: Operation.writeFile, path, proof: { sha256, again } }, Buffer.from('wrong'))
    await queue.flush()
  }
  await write('a', async () => Buffer.from('right'))
  assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'right')
  const damaged = new Error('damaged')
  await assert.rejects(
    write('b', () => Promise.reject(damaged)),
    error => error === damaged
  )
  assert.ok(!existsSync(join(root, 'b')))
  await assert.rejects(queue.flush(), error => error === damaged)
  assert.deepEqual(failures, [])
})
