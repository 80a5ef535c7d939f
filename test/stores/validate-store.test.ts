import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fullBackup } from '../../src/index.js'
import { directoryStore, memoryStore, readOnly, validateStore, wrapStore } from '../../src/stores/index.js'
import type { Store } from '../../src/types.js'
import { Desk } from '../helpers/desk.js'
import { collect } from '../helpers/entries.js'
import { startParked } from '../helpers/parked.js'
import { temporaryDirectory } from '../native/tree.js'

const brokenIn = async (
  store: Store,
  { many = false, timeoutMs = 60_000 }: { many?: boolean; timeoutMs?: number | undefined } = {}
) => {
  const { promises } = await validateStore(store, { many, timeoutMs })
  return promises.filter(({ outcome }) => outcome === 'broken').map(({ title }) => title)
}

test('a good store keeps every promise, and nothing is left in it or changed', async t => {
  const path = join(temporaryDirectory(t), 'store')
  const store = directoryStore(path)
  await store.put('mine', [Buffer.from('mine')])
  const told: string[] = []
  const report = await validateStore(store, { many: true, onPromise: ({ title }) => told.push(title) })
  assert.deepEqual(
    report.promises.filter(({ outcome }) => outcome === 'broken'),
    []
  )
  const skipped = report.promises.filter(({ outcome }) => outcome === 'skipped')
  assert.ok(skipped.length > 0 && skipped.every(({ reason }) => /retained name could not be deleted/.test(reason!)))
  assert.deepEqual(
    told,
    report.promises.map(({ title }) => title)
  )
  assert.deepEqual([report.isReadOnly, report.leftNames, report.store], [false, [], store.id])
  assert.deepEqual(readdirSync(path), ['mine'])
})

test('each fault of a store breaks a promise', async () => {
  const faults: Record<string, (store: Store) => Store> = {
    'publishes what was cut off': store =>
      wrapStore(store, {
        async put(name, source, options) {
          const chunks: Uint8Array[] = []
          try {
            for await (const chunk of source) chunks.push(Uint8Array.from(chunk))
          } catch (error) {
            await store.put(name, chunks)
            throw error
          }
          await store.put(name, chunks, options)
        }
      }),
    'ignores ranges': store => wrapStore(store, { get: (name, _, options) => store.get(name, undefined, options) }),
    'lists late': store => {
      let before: { name: string; sizeBytes: number }[] = []
      return wrapStore(store, {
        async *list(prefix, options) {
          const shown = before
          before = await collect(store.list(prefix, options))
          yield* shown
        }
      })
    },
    'creates for everybody': store =>
      wrapStore(store, { create: (name, bytes) => store.put(name, [bytes]).then(() => true) }),
    'deletes nothing': store => wrapStore(store, { delete: async () => {} }),
    'gives nothing for a missing name': store =>
      wrapStore(store, {
        async *get(name, range, options) {
          for await (const { name: found } of store.list(name))
            if (found === name) yield* store.get(name, range, options)
        }
      }),
    'takes names that hide': store => {
      const hidden = (name: string) => (name === '.hidden' ? 'hidden' : name)
      return wrapStore(store, { put: (name, ...call) => store.put(hidden(name), ...call) })
    },
    'says nothing of its errors': store =>
      wrapStore(store, {
        async *get(...call) {
          try {
            yield* store.get(...call)
          } catch (error) {
            throw new Error(String(error))
          }
        }
      }),
    'does not hear an abort': store => wrapStore(store, { put: (name, source) => store.put(name, source) })
  }
  for (const [fault, make] of Object.entries(faults)) {
    // These two do not hear an abort: they take as long as they may.
    const isDeaf = fault === 'does not hear an abort' || fault === 'publishes what was cut off'
    const timeoutMs = isDeaf ? 2000 : undefined
    assert.notDeepEqual(await brokenIn(make(memoryStore()), { timeoutMs }), [], fault)
  }
  const short = memoryStore()
  const paged = wrapStore(short, {
    async *list(prefix, options) {
      yield* (await collect(short.list(prefix, options))).slice(0, 1000)
    }
  })
  assert.deepEqual(await brokenIn(paged), [])
  assert.deepEqual(await brokenIn(paged, { many: true }), ['lists 1001 names, each once and in order'])
})

test('of a store that can only be read, reading is tried with what is there', async t => {
  const base = temporaryDirectory(t)
  mkdirSync(join(base, 'source'))
  writeFileSync(join(base, 'source/file'), 'text'.repeat(10_000))
  const store = directoryStore(join(base, 'store'))
  await fullBackup(join(base, 'source'), { store, cache: false, key: 'key' })
  const reading = readOnly(store)
  const { isReadOnly, promises } = await validateStore(reading)
  assert.ok(isReadOnly && promises.length > 5)
  assert.ok(
    promises.every(({ outcome }) => outcome === 'kept'),
    JSON.stringify(promises)
  )
  const cut = wrapStore(reading, {
    get: (name, range, options) => store.get(name, range && { ...range, end: 9 }, options)
  })
  assert.notDeepEqual(await brokenIn(cut), [])
  const unsorted = wrapStore(reading, {
    async *list(prefix, options) {
      yield* (await collect(store.list(prefix, options))).reverse()
    }
  })
  assert.deepEqual(await brokenIn(unsorted), ['lists valid names, each once, in the order of their bytes'])
})

test('an abort ends it with its reason, and everything is deleted', async () => {
  const store = memoryStore()
  const controller = new AbortController()
  const reason = new Error('Enough')
  const slow = wrapStore(store, {
    put: async (...call) => {
      await store.put(...call)
      controller.abort(reason)
    }
  })
  await assert.rejects(validateStore(slow, { signal: controller.signal }), error => error === reason)
  assert.deepEqual(await collect(store.list()), [])
})

test('a store that deletes nothing is left alone after one name', async () => {
  const store = memoryStore()
  const appending = wrapStore(store, { delete: () => Promise.reject(new Error('Append only')) })
  await assert.rejects(validateStore(appending), /Append only/)
  assert.equal((await collect(store.list())).length, 1)
})

test('ibt validate-store prints a line for each promise, and exits with 1 where one is broken', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('there'))
  const { status, stdout } = desk.ibt('validate-store', 'there')
  assert.equal(status, 0)
  assert.match(stdout, /^kept +\S+ s? +has an id/m)
  assert.match(stdout, /\d+ promises kept, 0 broken/)
  const lines = desk
    .ibt('validate-store', 'there', '--json')
    .stdout.trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.equal(lines.at(-1).event, 'report')
  assert.equal(lines.at(-1).promises.length, lines.length - 1)
  writeFileSync(desk.at('file'), '')
  assert.equal(desk.ibt('validate-store', 'file').status, 1)
  const missing = desk.ibt('validate-store', 'nowhere/store')
  assert.equal(missing.status, 1)
  assert.match(missing.stderr, /There is no directory .*nowhere\/store/)
  assert.equal(existsSync(desk.at('nowhere')), false)
  assert.deepEqual(readdirSync(desk.at('there')), [])
})

/** A trial that stands still when it has put a hundred names. */
const TRIAL = `
  import { directoryStore, validateStore, wrapStore } from ${JSON.stringify(import.meta.resolve('../../src/stores/index.js'))}
  const real = directoryStore(process.argv[1])
  let [begun, done] = [0, 0]
  const store = wrapStore(real, {
    async put(name, ...call) {
      if (!name.includes('name-')) return real.put(name, ...call)
      if (begun++ >= 100) await new Promise(() => {})
      await real.put(name, ...call)
      if (++done === 100) console.log('in the middle')
    }
  })
  await validateStore(store, { many: true })
`

test('what a killed trial has left is deleted by the next one, and that of one under way is not', async t => {
  const path = temporaryDirectory(t)
  const kill = await startParked(t, TRIAL, path)
  const under = readdirSync(path)
  const names = under.filter(name => name.includes('name-'))
  assert.ok(names.length > 20, `${names.length} names`)
  await validateStore(directoryStore(path))
  assert.deepEqual(readdirSync(path), under)
  await kill()
  // As a put leaves it that was cut off.
  writeFileSync(join(path, `.${names[0]}.0123456789abcdef.tmp`), 'left')
  await validateStore(directoryStore(path))
  assert.deepEqual(readdirSync(path), [])
})
