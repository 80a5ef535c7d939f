import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { autoBackup, listBackups, restoreBackup, verifyBackup } from '../../src/index.js'
import { memoryStore } from '../../src/stores/memory.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Store } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

/** A store that counts its calls, and the bytes that are read of each name. */
function counting(store: Store) {
  const calls = { put: 0, get: 0, list: 0, delete: 0, create: 0 }
  const read = new Map<string, number>()
  const counted = wrapStore(store, {
    put(...call) {
      calls.put++
      return store.put(...call)
    },
    async *get(name, ...rest) {
      calls.get++
      for await (const chunk of store.get(name, ...rest)) {
        read.set(name, (read.get(name) ?? 0) + chunk.length)
        yield chunk
      }
    },
    list(...call) {
      calls.list++
      return store.list(...call)
    },
    delete(...call) {
      calls.delete++
      return store.delete(...call)
    }
  })
  const take = () => {
    const taken = { ...calls, read: new Map(read) }
    for (const call of Object.keys(calls) as (keyof typeof calls)[]) calls[call] = 0
    read.clear()
    return taken
  }
  return { store: counted, take }
}

function makeSource(t: TestContext): string {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(join(source, 'd'), { recursive: true })
  for (let i = 0; i < 40; i++) writeFileSync(join(source, `d/${i}`), createRandom(i).bytes(60_000))
  writeFileSync(join(source, 'large'), createRandom(99).bytes(12_000_000))
  return source
}

/** A full and two incrementals with deltas, a new file, one that is gone and one that was renamed. */
async function* history(source: string, options: object) {
  yield await autoBackup(source, options)
  for (const round of [1, 2]) {
    for (let i = round; i < 10; i++) writeFileSync(join(source, `d/${i}`), `${round}${'x'.repeat(20_000 + i)}`)
    const large = createRandom(99).bytes(12_000_000)
    large.write(`changed ${round}`, round * 5_000_000)
    writeFileSync(join(source, 'large'), large)
    writeFileSync(join(source, `d/new ${round}`), createRandom(round + 200).bytes(30_000))
    rmSync(join(source, `d/${30 + round}`))
    renameSync(join(source, `d/${20 + round}`), join(source, `d/a renamed ${round}`))
    yield await autoBackup(source, options)
  }
}

for (const cached of [true, false]) {
  test(`a backup lists its store at most twice, ${cached ? 'with' : 'without'} a cache`, async t => {
    const source = makeSource(t)
    const { store, take } = counting(memoryStore())
    const cache = cached ? memoryStore() : (false as const)
    for await (const report of history(source, { store, cache, key: 'key' })) {
      const { list, put, delete: deleted } = take()
      assert.ok(list <= (cached ? 2 : 1), `${report.kind}: ${list} listings`)
      // The artifacts and nothing else; the lock is created, and deleted.
      assert.deepEqual([put, deleted], [report.files.length, 1])
    }
    await collect(listBackups(undefined, { store, cache }))
    assert.equal(take().list, 1)
  })
}

test('with a cache, no state and no sigvault is read from the store', async t => {
  const source = makeSource(t)
  const { store, take } = counting(memoryStore())
  const options = { store, cache: memoryStore(), key: 'key' }
  for await (const _ of history(source, options)) {
    const names = [...take().read.keys()]
    assert.deepEqual(
      names.filter(name => !name.endsWith('.lock')),
      []
    )
  }
  assert.equal((await collect(listBackups(undefined, options))).length, 3)
  assert.deepEqual([...take().read.keys()], [])
  await restoreBackup('key', join(temporaryDirectory(t), 'out'), options)
  const restored = [...take().read.keys()]
  assert.ok(restored.length > 0 && !restored.some(name => /\.(state|sigvault)\./.test(name)), restored.join())
})

test('a verification that reads the data reads each byte of each artifact once', async t => {
  const source = makeSource(t)
  const { store, take } = counting(memoryStore())
  const options = { store, cache: false as const, key: 'key' }
  const reports = await collect(history(source, options))
  take()
  const { problems, files } = await verifyBackup('key', { ...options, readData: true })
  assert.deepEqual([problems, files], [[], 41])
  const { read, list } = take()
  assert.equal(list, 1)
  const sizes = new Map(
    reports.flatMap(report => report.files.map(({ name, sizeBytes }) => [name, sizeBytes] as const))
  )
  assert.deepEqual([...read].sort(), [...sizes].sort())
})
