import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { HandSource, toBytes } from '../hand-source.js'
import { type Checks, names, read } from './checks.js'

/** What a store promises who writes to it: a name appears whole or not at all. */
export const WRITE_CHECKS: Checks = {
  'keeps its own copy of what was put': async store => {
    const bytes = toBytes('abc')
    await store.put('name', [bytes])
    bytes.fill(0)
    assert.equal(await read(store, 'name'), 'abc')
  },

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

  'refuses bytes where a source of chunks is expected': async store => {
    await assert.rejects(store.put('name', toBytes('abc') as never), TypeError)
    await assert.rejects(store.put('name', ['abc'] as never), TypeError)
    assert.deepEqual(await names(store), [])
  }
}
