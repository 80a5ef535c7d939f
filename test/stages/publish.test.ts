import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CHUNKS_WAITING, WITHDRAW_MS } from '../../src/constants.js'
import { pipe } from '../../src/interop/pipe.js'
import { publish } from '../../src/stages/publish.js'
import { storesThenFails } from '../../src/stores/failing-store.js'
import { memoryStore } from '../../src/stores/memory.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Chunk, Kind, Sealed, Source, StageContext, Store, Totals } from '../../src/types.js'
import { bytesOf, code, collect, entry } from '../helpers/entries.js'
import { sinkContract } from '../helpers/source-contract.js'
import { WatchedSource } from '../helpers/stage-contract.js'

const KINDS: readonly Kind[] = ['full', 'sigvault', 'state']
const chunk = (kind: Kind, text: string): Chunk => ({
  item: 'chunk',
  name: `k.${kind}`,
  kind,
  bytes: Buffer.from(text)
})
/** Of both chunks of an artifact. */
const seal = (kind: Kind): Sealed => ({
  item: 'sealed',
  name: `k.${kind}`,
  kind,
  sizeBytes: `1 ${kind}2 ${kind}`.length,
  sha256: 'a'.repeat(64)
})
const totals = { entries: 5 } as Totals
const backup = () => [
  ...KINDS.map(kind => chunk(kind, `1 ${kind}`)),
  ...KINDS.map(kind => chunk(kind, `2 ${kind}`)),
  seal('full'),
  seal('sigvault'),
  { item: 'counted', totals } as const,
  seal('state')
]

sinkContract('publish', () => publish(memoryStore()), backup)

const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)

/** A memory store that can be told when a put ends. */
function watchedStore(atEnd: (name: string) => Promise<void> | void = () => {}, atChunk = async (_: string) => {}) {
  const store = memoryStore()
  const log: string[] = []
  const watched: Store = {
    id: 'watched',
    list: store.list.bind(store),
    get: store.get.bind(store),
    delete: store.delete.bind(store),
    async put(name, source: Source<Uint8Array>, options) {
      async function* watch() {
        for await (const bytes of source) {
          await atChunk(name)
          yield bytes
        }
        log.push(`source of ${name} ends`)
        await atEnd(name)
      }
      await store.put(name, watch(), options)
      log.push(`put of ${name} resolves`)
    }
  }
  return { store: watched, log }
}

test('artifacts are stored whole, each under its name, and reported', async () => {
  const store = memoryStore()
  const published = await publish(store)(backup())
  assert.deepEqual(
    published.artifacts.map(({ name }) => name),
    ['k.full', 'k.sigvault', 'k.state']
  )
  assert.deepEqual([published.totals, published.isCommitted], [totals, true])
  for (const kind of KINDS) assert.equal(String(await bytesOf(store.get(`k.${kind}`))), `1 ${kind}2 ${kind}`)
})

test('the state ends after all other puts have resolved, however long they take', async () => {
  const release: (() => void)[] = []
  const { store, log } = watchedStore(name =>
    name === 'k.state' ? undefined : new Promise<void>(resolve => release.push(resolve))
  )
  const done = publish(store)(backup())
  while (release.length < 2) await setImmediate()
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  assert.ok(!log.includes('source of k.state ends'))
  for (const resolve of release.reverse()) {
    resolve()
    for (let turn = 0; turn < 5; turn++) await setImmediate()
  }
  await done
  assert.deepEqual(log.slice(-2), ['source of k.state ends', 'put of k.state resolves'])
})

for (const failing of KINDS) {
  for (const when of ['at its first chunk', 'at its end'] as const) {
    test(`a put of ${failing} that fails ${when} withdraws all`, async () => {
      const error = new Error('of the store')
      const fail = async (name: string) => {
        if (name === `k.${failing}`) throw error
      }
      const { store } = when === 'at its end' ? watchedStore(fail) : watchedStore(() => {}, fail)
      await assert.rejects(publish(store)(backup()), thrown => thrown === error)
      assert.deepEqual(await names(store), [])
    })
  }
}

test('an error of the source withdraws what was put already', async () => {
  const error = new Error('of the source')
  const store = memoryStore()
  const source = new WatchedSource([...backup().slice(0, 8)], () => Promise.reject(error))
  await assert.rejects(publish(store)(source as never), thrown => thrown === error)
  assert.deepEqual(await names(store), [])
})

test('a store that ends a put before its source is found out', async () => {
  const store: Store = { ...memoryStore(), put: async () => {}, list: async function* () {}, delete: async () => {} }
  await assert.rejects(publish(store)(backup()), code('IBT_STORE_FAILED'))
})

test('an artifact that was never sealed is not published', async () => {
  const store = memoryStore()
  const items = backup().filter(item => !('sha256' in item && item.kind === 'sigvault'))
  await assert.rejects(publish(store)(items), code('IBT_STORE_FAILED'))
  assert.deepEqual(await names(store), [])
})

test('who asked is asked when all but the state is stored, and can withdraw all', async () => {
  const { store, log } = watchedStore()
  const asked: Totals[] = []
  const commits = (counts: Totals) => {
    assert.ok(log.includes('put of k.full resolves') && log.includes('put of k.sigvault resolves'))
    asked.push(counts)
    return false
  }
  const published = await publish(store, { commits })(backup())
  assert.deepEqual([published.isCommitted, published.artifacts, asked], [false, [], [totals]])
  assert.deepEqual(await names(store), [])
})

test('an abort withdraws all, also while a put is parked', { timeout: 300_000 }, async () => {
  for (const at of ['source', 'put'] as const) {
    const controller = new AbortController()
    const reason = { at }
    const forever = () => {
      controller.abort(reason)
      return new Promise<never>(() => {})
    }
    const { store } = at === 'put' ? watchedStore(forever) : watchedStore()
    const source = new WatchedSource(backup(), at === 'source' ? forever : undefined)
    await assert.rejects(
      pipe(source as never, publish(store), { signal: controller.signal }),
      thrown => thrown === reason
    )
    assert.deepEqual(await names(store), [])
  }
})

test('a store that hears neither the signal nor the end of its source is left behind', async t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const store: Store = { ...memoryStore(), put: () => new Promise<never>(() => {}) }
  const reason = new Error('enough')
  const controller = new AbortController()
  const done = publish(store)(backup(), { signal: controller.signal })
  done.catch(() => {})
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  controller.abort(reason)
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  t.mock.timers.tick(WITHDRAW_MS)
  await assert.rejects(done, thrown => thrown === reason)
})

for (const failing of KINDS) {
  test(`a put of ${failing} that stores and then fails is withdrawn: a rejected call means unknown`, async () => {
    const store = memoryStore()
    await assert.rejects(
      publish(storesThenFails(store, name => name === `k.${failing}`))(backup()),
      code('IBT_STORE_FAILED')
    )
    assert.deepEqual(await names(store), [])
  })
}

test('the state is withdrawn first, and the archives only when it is not listed any more', async () => {
  const store = memoryStore()
  const calls: string[] = []
  const watched = wrapStore(
    storesThenFails(store, name => name === 'k.state'),
    {
      async *list(prefix, options) {
        calls.push(`list ${prefix}`)
        yield* store.list(prefix, options)
      },
      delete(name, options) {
        calls.push(`delete ${name}`)
        return store.delete(name, options)
      }
    }
  )
  await assert.rejects(publish(watched)(backup()), code('IBT_STORE_FAILED'))
  assert.deepEqual(calls, ['delete k.state', 'list k.state', 'delete k.full', 'delete k.sigvault'])
})

const failure = () => Promise.reject(new Error('no answer'))
const UNSURE: Record<string, (store: Store) => Partial<Store>> = {
  'cannot be deleted': () => ({ delete: failure }),
  'cannot be listed': () => ({
    // biome-ignore lint/correctness/useYield: it fails
    async *list() {
      await failure()
    }
  }),
  'is there after its deletion': store => ({
    delete: async name => (name === 'k.state' ? undefined : store.delete(name))
  })
}
for (const [title, changes] of Object.entries(UNSURE)) {
  test(`where the state ${title}, everything is left and the error says that the backup may exist`, async () => {
    const store = memoryStore()
    const failing = storesThenFails(store, name => name === 'k.state')
    await assert.rejects(publish(wrapStore(failing, changes(store)))(backup()), error => {
      const { code, path, cause } = error as { code: string; path: string; cause: { code: string } }
      assert.deepEqual([code, path, cause.code], ['IBT_OUTCOME_UNKNOWN', 'k.state', 'IBT_STORE_FAILED'])
      return true
    })
    assert.deepEqual((await names(store)).slice(0, 2), ['k.full', 'k.sigvault'])
  })
}

test('an abort that comes when the state is being stored is decided by the store', async () => {
  for (const stores of [true, false]) {
    const store = memoryStore()
    const controller = new AbortController()
    const reason = new Error('enough')
    const slow = wrapStore(store, {
      async put(name, source, options) {
        if (name !== 'k.state') return store.put(name, source, options)
        await store.put(name, source)
        controller.abort(reason)
        await setImmediate()
        if (!stores) throw options?.signal?.reason
      }
    })
    const done = publish(slow)(backup(), { signal: controller.signal })
    if (stores) assert.equal((await done).isCommitted, true)
    else await assert.rejects(done, thrown => thrown === reason)
    assert.equal((await names(store)).length, stores ? 3 : 0)
  }
})

const WAYS = {
  'by itself': (sink: ReturnType<typeof publish>, context: StageContext) => sink(backup(), context),
  'in a pipeline': (sink: ReturnType<typeof publish>, context: StageContext) => pipe(backup(), sink, context)
}
for (const [how, run] of Object.entries(WAYS)) {
  test(`a put of the state that never ends leaves the archives: the backup may exist, ${how}`, async t => {
    const store = memoryStore()
    const controller = new AbortController()
    const parked = wrapStore(store, {
      async put(name, source, options) {
        await store.put(name, source, options)
        if (name === 'k.state') await new Promise<never>(() => {})
      }
    })
    const done = run(publish(parked), { signal: controller.signal })
    done.catch(() => {})
    while ((await names(store)).length < 3) await setImmediate()
    t.mock.timers.enable({ apis: ['setTimeout'] })
    controller.abort(new Error('enough'))
    for (let waits = 0; waits < 3; waits++) {
      for (let turn = 0; turn < 20; turn++) await setImmediate()
      t.mock.timers.tick(WITHDRAW_MS)
    }
    await assert.rejects(done, code('IBT_OUTCOME_UNKNOWN'))
    assert.equal((await names(store)).length, 3)
  })
}

test('when publish has rejected, every put has heard its signal and has ended', async () => {
  for (const failing of KINDS) {
    const store = memoryStore()
    let running = 0
    const watched = wrapStore(store, {
      async put(name, source, { signal } = {}) {
        running++
        try {
          if (name === `k.${failing}`) throw new Error('of the store')
          await store.put(name, source, { signal })
        } catch (error) {
          // A store takes its time to stop.
          for (let turn = 0; turn < 50; turn++) await setImmediate()
          assert.ok(name === `k.${failing}` || signal?.aborted)
          throw error
        } finally {
          running--
        }
      }
    })
    await assert.rejects(publish(watched)(backup()), { message: 'of the store' })
    assert.deepEqual([running, await names(store)], [0, []])
  }
})

test('a slow put holds the source', async () => {
  let release = () => {}
  const { store } = watchedStore(
    () => {},
    () => new Promise<void>(resolve => (release = resolve))
  )
  const source = new WatchedSource(Array.from({ length: 50 }, () => chunk('full', 'x')))
  const done = publish(store)(source as never)
  done.catch(() => {})
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  assert.ok(source.pulls <= CHUNKS_WAITING + 2, `${source.pulls} pulls`)
  for (let turn = 0; turn < 400; turn++) {
    release()
    await setImmediate()
  }
  await assert.rejects(done, code('IBT_STORE_FAILED'))
})

test('items that are no part of an artifact are ignored', async () => {
  const store = memoryStore()
  await publish(store)([{ item: 'note', path: 'a' } as never, ...backup()])
  assert.equal((await names(store)).length, 3)
})

test('an entry that no archive has is refused, and nothing is stored', async () => {
  const store = memoryStore()
  for (const items of [
    [entry('a'), ...backup()],
    [...backup(), entry('a')]
  ]) {
    await assert.rejects(publish(store)(items as never), code('IBT_STATE_INVALID'))
    assert.deepEqual(await names(store), [])
  }
})

const WRONG_SEALS: Record<string, (items: ReturnType<typeof backup>) => readonly object[]> = {
  'the size of other bytes': items => items.map(item => ('sha256' in item ? { ...item, sizeBytes: 3 } : item)),
  'no size': items => items.map(item => ('sha256' in item ? { ...item, sizeBytes: undefined } : item)),
  'a digest in base64': items =>
    items.map(item => ('sha256' in item ? { ...item, sha256: Buffer.alloc(32).toString('base64') } : item)),
  'a second seal': items =>
    items.flatMap(item => ('sha256' in item && item.kind === 'sigvault' ? [item, item] : [item])),
  'bytes behind it': items =>
    items.flatMap(item => ('sha256' in item && item.kind === 'sigvault' ? [item, chunk('sigvault', 'more')] : [item]))
}

for (const [what, change] of Object.entries(WRONG_SEALS)) {
  test(`a seal with ${what} is refused, and nothing stays`, async () => {
    const store = memoryStore()
    await assert.rejects(publish(store)(change(backup()) as never), code('IBT_STATE_INVALID'))
    assert.deepEqual(await names(store), [])
  })
}
