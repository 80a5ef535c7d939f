import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { BackupError, fullBackup, incrementalBackup, restoreBackup, verifyBackup } from '../../../src/index.js'
import { isTransientError } from '../../../src/stores/decorators/transient.js'
import {
  type Fault,
  faulty,
  memoryStore,
  type Retry,
  retrying,
  storeConformance,
  storesThenFails,
  wrapStore
} from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { bytesOf, collect } from '../../helpers/entries.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const fast = { backoffMs: 1 }

storeConformance('retrying', () => retrying(memoryStore(), fast), { test })
storeConformance('retrying, all of it on disk', () => retrying(memoryStore(), { ...fast, bufferBytes: 0 }), { test })

/** Each kind of call fails in each way before it succeeds. */
function flaky(store: Store): Store {
  const faults: readonly Fault[] = ['before', 'within', 'after', 'short']
  const seen = new Map<string, number>()
  return faulty(store, ({ call, name }) => {
    const count = seen.get(`${call} ${name}`) ?? 0
    seen.set(`${call} ${name}`, count + 1)
    // A put that is failed within its source fails for good; of many creates at a time, one would always have bad luck.
    if (call === 'put') return ([undefined, 'before', 'after'] as const)[count % 3]
    return call === 'create' ? faults[count] : faults[count % 5]
  })
}
storeConformance(
  'retrying of what fails all the time',
  () => retrying(flaky(memoryStore()), { ...fast, attempts: 12 }),
  {
    test
  }
)

test('a get goes on at the byte where it stopped, and a list behind the last name', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = createRandom(seed)
    const inner = memoryStore()
    const content = Buffer.from(Array.from({ length: 50 + random.int(200) }, (_, i) => i))
    await inner.put('name', [content])
    for (let i = 0; i < 9; i++) await inner.put(`other-${i}`, [Buffer.from('x')])
    const asked: number[] = []
    const cut = wrapStore(inner, {
      async *get(name, range = { start: 0 }, options) {
        asked.push(range.start)
        for await (const chunk of inner.get(name, range, options)) {
          const part = chunk.subarray(0, 1 + random.int(chunk.length))
          yield part
          if (part.length < chunk.length && random.chance(0.5)) throw new Error('Connection reset')
          if (part.length < chunk.length) return
        }
      },
      async *list(prefix, options) {
        for await (const stored of inner.list(prefix, options)) {
          yield stored
          if (random.chance(0.05)) throw new Error('Connection reset')
        }
      }
    })
    const store = retrying(cut, { ...fast, attempts: 50 })
    const [start, end] = [random.int(20), 30 + random.int(300)]
    const found = await bytesOf(store.get('name', { start, end }))
    assert.ok(found.equals(content.subarray(start, end)), `seed ${seed}`)
    assert.ok(
      asked.every((at, i) => i === 0 || at >= asked[i - 1]!),
      `seed ${seed}`
    )
    assert.equal((await collect(store.list())).length, 10)
  }
})

test('a put is repeated with the same bytes, whatever was taken of its source, and leaves nothing on disk', async t => {
  const spoolDirectory = temporaryDirectory(t)
  for (const bufferBytes of [0, 3_000_000, 100_000_000]) {
    const inner = memoryStore()
    let attempts = 0
    const store = retrying(
      wrapStore(inner, {
        async put(name, source, options) {
          if (++attempts === 4) return inner.put(name, source, options)
          let left = attempts * 2
          for await (const _ of source) if (left-- === 0) break
          throw new Error('Connection reset')
        }
      }),
      { ...fast, bufferBytes, spoolDirectory }
    )
    const chunks = Array.from({ length: 9 }, (_, i) => Buffer.alloc(700_000, i))
    let pulled = 0
    const source = (function* () {
      for (const chunk of chunks) {
        pulled++
        yield chunk
      }
    })()
    await store.put('name', source)
    assert.ok((await bytesOf(inner.get('name'))).equals(Buffer.concat(chunks)))
    assert.deepEqual([attempts, pulled, readdirSync(spoolDirectory)], [4, 9, []])
  }
})

test('what cannot be buffered is stored by the first attempt, and is not repeated', async () => {
  const options = { ...fast, bufferBytes: 0, spoolDirectory: '/nowhere/at/all' }
  const inner = memoryStore()
  await retrying(inner, options).put('name', [Buffer.alloc(2_000_000), Buffer.from('x')])
  assert.equal((await bytesOf(inner.get('name'))).length, 2_000_001)
  const failing = retrying(storesThenFails(inner), options)
  await assert.rejects(failing.put('name', [Buffer.alloc(2_000_000)]), { code: 'IBT_STORE_FAILED' })
})

test('a create whose answer was lost is known by its bytes; one that somebody else made is not ours', async () => {
  const lost = faulty(memoryStore(), ({ call, index }) => (call === 'create' && index === 0 ? 'after' : undefined))
  assert.equal(await retrying(lost, fast).create!('name', Buffer.from('mine')), true)
  for (const theirs of ['theirs', 'mine and more', 'mi']) {
    const inner = memoryStore()
    const early = faulty(inner, ({ call, index }) => (call === 'create' && index === 0 ? 'before' : undefined))
    await inner.put('name', [Buffer.from(theirs)])
    assert.equal(await retrying(early, fast).create!('name', Buffer.from('mine')), false)
    // The first attempt succeeded: nothing is to be read back.
    assert.equal(await retrying(inner, fast).create!('name', Buffer.from(theirs)), false)
  }
})

test('it gives up after so many attempts without progress, with the error, and says each retry', async () => {
  const retries: Retry[] = []
  const dead = faulty(memoryStore(), () => 'before')
  const store = retrying(dead, { ...fast, attempts: 3, onRetry: retry => retries.push(retry) })
  await assert.rejects(store.delete('name'), { code: 'IBT_STORE_FAILED', path: 'name' })
  await assert.rejects(store.put('name', [Buffer.from('x')]), { code: 'IBT_STORE_FAILED' })
  await assert.rejects(bytesOf(store.get('name')), { code: 'IBT_STORE_FAILED' })
  assert.deepEqual(
    retries.map(({ call, failures }) => `${call} ${failures}`),
    ['delete 1', 'delete 2', 'put 1', 'put 2', 'get 1', 'get 2']
  )
})

test('permanent errors, errors of the source and aborts end a call at once', async () => {
  let calls = 0
  const failing = (error: unknown) =>
    retrying(
      wrapStore(memoryStore(), {
        delete: async () => {
          calls++
          throw error
        }
      }),
      { attempts: 3, backoffMs: 60_000 }
    )
  const coded = (code: string) => Object.assign(new Error(code), { code })
  const permanent = [
    new BackupError('IBT_RETAINED', 'kept'),
    new BackupError('IBT_STORE_FAILED', 'full', { cause: coded('ENOSPC') }),
    Object.assign(new Error('Forbidden'), { $metadata: { httpStatusCode: 403 } }),
    new TypeError('wrong'),
    coded('EACCES')
  ]
  for (const error of permanent) await assert.rejects(failing(error).delete('name'), thrown => thrown === error)
  assert.equal(calls, permanent.length)
  const transient = [
    new BackupError('IBT_STORE_FAILED', 'reset', { cause: coded('ECONNRESET') }),
    Object.assign(new Error('Slow down'), { status: 503 }),
    Object.assign(new Error('Too many'), { statusCode: 429 }),
    new TypeError('fetch failed', { cause: coded('ETIMEDOUT') })
  ]
  assert.ok(transient.every(isTransientError))

  const controller = new AbortController()
  const waiting = failing(coded('ECONNRESET')).delete('name', { signal: controller.signal })
  setImmediate(() => controller.abort(new Error('Enough')))
  await assert.rejects(waiting, { message: 'Enough' })

  let pulls = 0
  const source = (async function* () {
    pulls++
    yield Buffer.from('half')
    throw new Error('of the source')
  })()
  await assert.rejects(retrying(memoryStore(), fast).put('name', source), { message: 'of the source' })
  assert.equal(pulls, 1)
})

test('backups survive a store that fails at every third call, whatever the call and the moment', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  for (let seed = 1; seed <= 6; seed++) {
    const random = createRandom(seed)
    const inner = memoryStore()
    const pick = () => (random.chance(0.35) ? random.pick<Fault>(['before', 'within', 'after', 'short']) : undefined)
    const store = retrying(
      faulty(inner, ({ call }) => {
        const fault = pick()
        return call === 'put' && (fault === 'within' || fault === 'short') ? 'before' : fault
      }),
      { ...fast, attempts: 30 }
    )
    const options = { store, cache: false as const, key: 'key' }
    for (let i = 0; i < 4; i++) {
      writeFileSync(join(source, `file-${i}`), Buffer.alloc(random.int(300_000), i))
      await (i === 0 ? fullBackup : incrementalBackup)(source, options)
    }
    assert.equal((await restoreBackup('key', join(base, `out-${seed}`), options)).files, 4)
    assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
    assert.deepEqual((await collect(inner.list('key.lock'))).length, 0)
    for (let i = 0; i < 4; i++) writeFileSync(join(source, `file-${i}`), '')
  }
})
