import assert from 'node:assert/strict'
import { isAbsolute } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { ByteRange, Store } from '../types.js'
import { HandSource, toBytes } from './hand-source.js'

/** What the suite needs to know of a store. */
export interface ConformanceOptions {
  /** Declares a test: `test` of node:test, or what is like it. */
  readonly test: (title: string, body: () => Promise<void>) => unknown
  /** Milliseconds that one test may take. Default: 30,000. */
  readonly timeoutMs?: number | undefined
  /** Called with the store after each test, also after one that failed: removes what it left. */
  readonly teardown?: ((store: Store) => unknown) | undefined
  /** Also puts and lists 1,001 names: more than S3 lists at a time. */
  readonly many?: boolean | undefined
}

const TIMEOUT_MS = 30_000
const MANY_NAMES = 1001
const PUTS_AT_ONCE = 16

/** Names that every store must take. */
const ODD_NAMES: readonly string[] = ['-', 'a b', '%2F%41', 'ünï-😀', 'a..b', 'UPPER', '\'"*?[x]', 'n'.repeat(200)]
const BAD_NAMES: readonly string[] = ['', '.', '..', '.hidden', 'a/b', '/a', 'a\0b', '\ud800']

/**
 * Declares the tests of what a store promises, for stores of your own too:
 * `storeConformance('mine', () => myStore(), { test })`. Each test gets an empty store of its own.
 */
export function storeConformance(
  name: string,
  makeStore: () => Store | Promise<Store>,
  { test, timeoutMs = TIMEOUT_MS, teardown, many = false }: ConformanceOptions
): void {
  for (const [title, check] of Object.entries(many ? { ...CHECKS, ...MANY_CHECKS } : CHECKS)) {
    test(`${name}: ${title}`, async () => {
      const store = await makeStore()
      try {
        await endsWithin(timeoutMs, check(store))
      } finally {
        await teardown?.(store)
      }
    })
  }
}

/** A store that does not hear an abort would leave a test waiting for ever. */
export async function endsWithin(timeoutMs: number, check: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`The store has not answered after ${timeoutMs} ms`)), timeoutMs)
  })
  try {
    await Promise.race([check, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The promises: each is tried in an empty store. */
export const CHECKS: Readonly<Record<string, (store: Store) => Promise<void>>> = {
  'has an id that is not empty': async store => {
    assert.equal(typeof store.id, 'string')
    assert.notEqual(store.id, '')
  },

  'gives back what was put, also nothing at all and more than one chunk': async store => {
    for (const content of [[], [''], ['a'], ['ab', '', 'c'], ['x'.repeat(1_048_577), 'y'.repeat(1_500_000)]]) {
      await store.put('name', content.map(toBytes))
      assert.equal(await read(store, 'name'), content.join(''))
      assert.deepEqual(await names(store), [['name', content.join('').length]])
    }
  },

  'gives any range, and up to the end where a range ends behind it': async store => {
    await store.put('name', ['0123', '456789'].map(toBytes))
    const ranges: readonly (readonly [ByteRange, string])[] = [
      [{ start: 0 }, '0123456789'],
      [{ start: 3 }, '3456789'],
      [{ start: 9 }, '9'],
      [{ start: 10 }, ''],
      [{ start: 11 }, ''],
      [{ start: 0, end: 0 }, ''],
      [{ start: 0, end: 1 }, '0'],
      [{ start: 3, end: 5 }, '34'],
      [{ start: 9, end: 10 }, '9'],
      [{ start: 8, end: 99 }, '89'],
      [{ start: 50, end: 99 }, '']
    ]
    for (const [range, expected] of ranges) assert.equal(await read(store, 'name', range), expected)
  },

  'refuses an invalid range': async store => {
    await store.put('name', [toBytes('abc')])
    for (const range of [{ start: -1 }, { start: 0.5 }, { start: 2, end: 1 }]) {
      await assert.rejects(read(store, 'name', range), RangeError)
    }
  },

  'gives memory of its own: a reader may write to it': async store => {
    await store.put('name', [toBytes('abc')])
    for await (const chunk of store.get('name')) chunk.fill(0)
    assert.equal(await read(store, 'name'), 'abc')
  },

  'keeps its own copy of what was put': async store => {
    const bytes = toBytes('abc')
    await store.put('name', [bytes])
    bytes.fill(0)
    assert.equal(await read(store, 'name'), 'abc')
  },

  'lists the names that begin so, with their sizes, in the order of their bytes': async store => {
    for (const name of ['b', 'a.2', 'a.10', 'ab', 'B', 'ﬀ', '😀']) await store.put(name, [toBytes(name)])
    assert.deepEqual(
      (await names(store)).map(([name]) => name),
      ['B', 'a.10', 'a.2', 'ab', 'b', 'ﬀ', '😀']
    )
    assert.deepEqual(await names(store, 'a.'), [
      ['a.10', 4],
      ['a.2', 3]
    ])
    assert.deepEqual(await names(store, 'nothing'), [])
  },

  'lists nothing while it is empty': async store => assert.deepEqual(await names(store), []),

  'replaces a content as a whole': async store => {
    await store.put('name', [toBytes('long content')])
    await store.put('name', [toBytes('short')])
    assert.equal(await read(store, 'name'), 'short')
    assert.deepEqual(await names(store), [['name', 5]])
  },

  'shows the old content until the new one is complete': async store => {
    await store.put('name', [toBytes('old')])
    const source = new HandSource()
    const done = store.put('name', source)
    done.catch(() => {})
    await source.give('new')
    assert.equal(await read(store, 'name'), 'old')
    await source.end()
    await done
    assert.equal(await read(store, 'name'), 'new')
  },

  'keeps the old content, or nothing, if the source fails': async store => {
    await store.put('old', [toBytes('old')])
    const failure = new Error('The source fails')
    for (const name of ['old', 'new']) {
      const source = (async function* () {
        yield toBytes('half')
        throw failure
      })()
      await assert.rejects(store.put(name, source), error => error === failure)
    }
    assert.deepEqual(await names(store), [['old', 3]])
    assert.equal(await read(store, 'old'), 'old')
  },

  'keeps the old content, or nothing, if it is aborted while its source is silent': async store => {
    await store.put('old', [toBytes('old')])
    for (const name of ['old', 'new']) {
      const controller = new AbortController()
      const source = new HandSource()
      const done = store.put(name, source, { signal: controller.signal })
      done.catch(() => {})
      await source.give('half')
      const reason = new Error('Enough')
      controller.abort(reason)
      await assert.rejects(done, error => error === reason)
    }
    assert.deepEqual(await names(store), [['old', 3]])
    assert.equal(await read(store, 'old'), 'old')
  },

  'does nothing if it is aborted before': async store => {
    const signal = AbortSignal.abort(new Error('Enough'))
    const source = (function* () {
      yield assert.fail('Nobody was to pull')
    })()
    await assert.rejects(store.put('name', source, { signal }), { message: 'Enough' })
    await assert.rejects(read(store, 'name', undefined, signal))
    assert.deepEqual(await names(store), [])
  },

  'closes its source when it fails to take it': async store => {
    const controller = new AbortController()
    let isClosed = false
    const source = (async function* () {
      try {
        yield toBytes('half')
        controller.abort(new Error('Enough'))
        yield toBytes('more')
      } finally {
        isClosed = true
      }
    })()
    await assert.rejects(store.put('name', source, { signal: controller.signal }), { message: 'Enough' })
    for (let turns = 0; turns < 100 && !isClosed; turns++) await setImmediate()
    assert.ok(isClosed)
  },

  'takes five names at a time, each at its own pace': async store => {
    const sources = Array.from({ length: 5 }, () => new HandSource())
    const puts = sources.map((source, i) => store.put(`name-${i}`, source))
    for (const put of puts) put.catch(() => {})
    for (let i = 4; i >= 0; i--) {
      for (let round = 0; round < 20; round++) await sources[i]!.give(`${i} `.repeat(10_000))
      await sources[i]!.end()
      await puts[i]
      assert.equal((await names(store)).length, 5 - i)
    }
    for (let i = 0; i < 5; i++) assert.equal(await read(store, `name-${i}`), `${i} `.repeat(200_000))
  },

  'keeps one of two contents that are put under one name at a time': async store => {
    const contents = ['a'.repeat(100_000), 'b'.repeat(200_000)]
    await Promise.all(contents.map(content => store.put('name', [toBytes(content)])))
    assert.ok(contents.includes(await read(store, 'name')))
    assert.equal((await names(store)).length, 1)
  },

  'says in its error that a name is missing': async store => {
    const missing = (error: unknown) => {
      const { code, path } = error as { code?: unknown; path?: unknown }
      return code === 'IBT_NOT_FOUND' && path === 'missing'
    }
    await assert.rejects(read(store, 'missing'), missing)
    await store.put('other', [toBytes('x')])
    await assert.rejects(read(store, 'missing', { start: 0, end: 1 }), missing)
  },

  'deletes a name, and takes no offence at one that is missing': async store => {
    await store.put('a', [toBytes('a')])
    await store.put('ab', [toBytes('ab')])
    await store.delete('a')
    await store.delete('a')
    assert.deepEqual(await names(store), [['ab', 2]])
  },

  'takes odd names': async store => {
    for (const name of ODD_NAMES) await store.put(name, [toBytes(name)])
    for (const name of ODD_NAMES) assert.equal(await read(store, name), name)
    assert.deepEqual((await names(store)).map(([name]) => name).sort(), [...ODD_NAMES].sort())
    for (const name of ODD_NAMES) await store.delete(name)
    assert.deepEqual(await names(store), [])
  },

  'refuses names that would leave it or hide': async store => {
    for (const name of BAD_NAMES) {
      const expected = { code: 'IBT_NAME_INVALID' }
      await assert.rejects(store.put(name, [toBytes('x')]), expected, JSON.stringify(name))
      await assert.rejects(read(store, name), expected, JSON.stringify(name))
      await assert.rejects(async () => store.delete(name), expected, JSON.stringify(name))
      if (store.create === undefined) continue
      await assert.rejects(store.create(name, toBytes('x')), expected, JSON.stringify(name))
    }
    assert.deepEqual(await names(store), [])
  },

  'refuses bytes where a source of chunks is expected': async store => {
    await assert.rejects(store.put('name', toBytes('abc') as never), TypeError)
    await assert.rejects(store.put('name', ['abc'] as never), TypeError)
    assert.deepEqual(await names(store), [])
  },

  'creates a name only if it is free (where it has `create`)': async store => {
    if (store.create === undefined) return
    assert.equal(await store.create('name', toBytes('first')), true)
    assert.equal(await store.create('name', toBytes('second')), false)
    assert.equal(await read(store, 'name'), 'first')
    await store.delete('name')
    assert.equal(await store.create('name', toBytes('third')), true)
    assert.deepEqual(await names(store), [['name', 5]])
  },

  'lets one of many create a name (where it has `create`)': async store => {
    const { create } = store
    if (create === undefined) return
    const outcomes = await Promise.all(
      Array.from({ length: 20 }, (_, i) => create.call(store, 'name', toBytes(`${i}`)))
    )
    const winners = outcomes.flatMap((isFirst, i) => (isFirst ? [`${i}`] : []))
    assert.equal(winners.length, 1)
    assert.equal(await read(store, 'name'), winners[0])
  },

  'neither deletes nor replaces a retained name, and still gives it (where it has `retain`)': async store => {
    if (store.retain === undefined) return
    await store.put('name', [toBytes('kept')])
    await store.put('other', [toBytes('free')])
    const untilMs = Date.now() + 60 * 60_000
    await store.retain('name', untilMs)
    // An earlier time changes nothing.
    await store.retain('name', untilMs - 30 * 60_000)
    const expected = { code: 'IBT_RETAINED' }
    await assert.rejects(async () => store.delete('name'), expected)
    await assert.rejects(store.put('name', [toBytes('new')]), expected)
    assert.equal(await read(store, 'name'), 'kept')
    for await (const { name, retainedUntilMs } of store.list()) {
      if (retainedUntilMs !== undefined) assert.deepEqual([name, retainedUntilMs], ['name', untilMs])
    }
    await store.delete('other')
    assert.deepEqual(await names(store), [['name', 4]])
  },

  'retains only what is there, until a time (where it has `retain`)': async store => {
    const { retain } = store
    if (retain === undefined) return
    await assert.rejects(retain.call(store, 'missing', Date.now() + 1000), { code: 'IBT_NOT_FOUND' })
    await store.put('name', [toBytes('free')])
    for (const untilMs of [Number.NaN, -1, 0.5, Infinity]) {
      await assert.rejects(retain.call(store, 'name', untilMs), RangeError)
    }
    await assert.rejects(retain.call(store, 'a/b', Date.now()), { code: 'IBT_NAME_INVALID' })
    await store.retain?.('name', Date.now() - 1000)
    await store.delete('name')
    assert.deepEqual(await names(store), [])
  },

  'has a signal that is aborted end every call (before it begins)': async store => {
    await store.put('name', [toBytes('abc')])
    const signal = AbortSignal.abort(new Error('Enough'))
    const calls = [
      () => store.delete('name', { signal }),
      async () => {
        for await (const _ of store.list('', { signal }));
      },
      async () => store.create?.('new', toBytes('x'), { signal }) ?? signal.throwIfAborted()
    ]
    for (const call of calls) await assert.rejects(async () => call(), { message: 'Enough' })
    assert.deepEqual(await names(store), [['name', 3]])
  },

  'names its places by absolute paths (where it has `places`)': async store => {
    for (const place of store.places ?? []) assert.ok(isAbsolute(place), place)
  },

  'removes nothing that is listed when it cleans (where it has `clean`)': async store => {
    const name = 'key.full.20260101T000000.000Z.tar'
    await store.put(name, [toBytes('abc')])
    const removed = await store.clean?.('key')
    assert.ok(removed === undefined || removed === 0)
    assert.deepEqual(await names(store), [[name, 3]])
  },

  'closes what it reads when the reader stops': async store => {
    await store.put('name', [toBytes('x'.repeat(3_000_000))])
    for (let i = 0; i < 50; i++) {
      for await (const chunk of store.get('name')) {
        assert.ok(chunk.length > 0)
        break
      }
    }
    await store.delete('name')
    assert.deepEqual(await names(store), [])
  }
}

/** For stores of which a thousand puts can be asked. */
export const MANY_CHECKS: typeof CHECKS = {
  [`lists ${MANY_NAMES} names, each once and in order`]: async store => {
    const wanted = Array.from({ length: MANY_NAMES }, (_, i) => `name-${String(i).padStart(5, '0')}`)
    const queue = wanted.values()
    const worker = async () => {
      for (const name of queue) await store.put(name, [toBytes(name)])
    }
    await Promise.all(Array.from({ length: PUTS_AT_ONCE }, worker))
    const listed = (await names(store)).map(([name]) => name)
    if (listed.join() !== wanted.join()) throw new Error(`${listed.length} names were listed, or in another order`)
  }
}

async function read(store: Store, name: string, range?: ByteRange, signal?: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(name, range, { signal })) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}

async function names(store: Store, prefix?: string): Promise<[string, number][]> {
  const found: [string, number][] = []
  for await (const { name, sizeBytes } of store.list(prefix)) found.push([name, sizeBytes])
  return found
}
