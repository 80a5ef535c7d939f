import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { memoryStore } from '../../src/stores/memory.js'
import { readOnce } from '../../src/stores/read-once.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Store } from '../../src/types.js'
import { bytesOf } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'

const MIB = 1024 * 1024

/** A store that counts the bytes that are read of each name. */
function counting(store: Store): { readonly store: Store; readonly read: Map<string, number> } {
  const read = new Map<string, number>()
  const counted = wrapStore(store, {
    async *get(name, range, options) {
      for await (const chunk of store.get(name, range, options)) {
        read.set(name, (read.get(name) ?? 0) + chunk.length)
        yield chunk
      }
    }
  })
  return { store: counted, read }
}

async function setUp(sizeBytes: number) {
  const content = createRandom(7).bytes(sizeBytes)
  const memory = memoryStore()
  await memory.put('a', [content])
  const { store, read } = counting(memory)
  return { content, read, once: readOnce(store, [{ name: 'a', sizeBytes }]) }
}

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

test('ranges in any order are right, and each byte is read once, the digest included', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = createRandom(seed)
    const sizeBytes = 1 + random.int(3 * MIB)
    const { content, read, once } = await setUp(sizeBytes)
    const ranges = Array.from({ length: 20 }, () => {
      const start = random.int(sizeBytes)
      return { start, end: start + random.int(sizeBytes + 10 - start) }
    })
    const check = async (range: { start: number; end: number }) =>
      assert.deepEqual(
        Buffer.from(await bytesOf(once.get('a', range))),
        Buffer.from(content.subarray(range.start, range.end))
      )
    // Half of them at the same time.
    for (const range of ranges.slice(10)) await check(range)
    await Promise.all(ranges.slice(0, 10).map(check))
    assert.equal(await once.digest('a'), sha256(content), `seed ${seed}`)
    assert.equal(await once.digest('a'), sha256(content))
    assert.equal(read.get('a') ?? 0, sizeBytes, `seed ${seed}`)
    assert.deepEqual(Buffer.from(await bytesOf(once.get('a'))), Buffer.from(content))
  }
})

test('what waits in memory is bounded: then what lies before it is read, and nothing twice', async () => {
  const sizeBytes = 100 * MIB
  const { content, read, once } = await setUp(sizeBytes)
  // Every second mebibyte is never asked for.
  for (let at = MIB; at < sizeBytes; at += 2 * MIB) {
    for await (const _ of once.get('a', { start: at, end: at + MIB }));
  }
  assert.ok(read.get('a')! <= sizeBytes)
  assert.equal(await once.digest('a'), sha256(content))
  assert.equal(read.get('a'), sizeBytes)
})

test('names that were not listed, and other calls, go to the store', async () => {
  const memory = memoryStore()
  await memory.put('b', [Buffer.from('bytes')])
  const once = readOnce(memory, [])
  assert.equal(String(await bytesOf(once.get('b'))), 'bytes')
  assert.throws(() => once.digest('b'), TypeError)
})

test('an artifact that has become shorter or cannot be read is told by its digest', async (_: TestContext) => {
  const memory = memoryStore()
  await memory.put('a', [Buffer.from('bytes')])
  const once = readOnce(memory, [
    { name: 'a', sizeBytes: 9 },
    { name: 'gone', sizeBytes: 9 }
  ])
  assert.equal(String(await bytesOf(once.get('a'))), 'bytes')
  assert.equal(await once.digest('a'), sha256(Buffer.from('bytes')))
  await assert.rejects(bytesOf(once.get('gone')), { code: 'IBT_NOT_FOUND' })
  await assert.rejects(once.digest('gone'), { code: 'IBT_NOT_FOUND' })
})

test('a store that ignores the end of a range fails, and no digest waits for ever', async () => {
  const memory = memoryStore()
  await memory.put('a', [createRandom(3).bytes(1000)])
  const ignoring = wrapStore(memory, { get: (name, range) => memory.get(name, { start: range?.start ?? 0 }) })
  const once = readOnce(ignoring, [{ name: 'a', sizeBytes: 1000 }])
  const failed = { code: 'IBT_STORE_FAILED', path: 'a' }
  await assert.rejects(bytesOf(once.get('a', { start: 100, end: 200 })), failed)
  await assert.rejects(bytesOf(once.get('a', { start: 50, end: 300 })), failed)
  assert.equal(await once.digest('a'), sha256(await bytesOf(memory.get('a'))))
})
