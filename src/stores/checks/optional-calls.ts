import assert from 'node:assert/strict'
import { toBytes } from '../hand-source.js'
import { type Checks, names, read } from './checks.js'

/** What a store promises that has calls beyond the four. */
export const OPTIONAL_CALL_CHECKS: Checks = {
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

  'removes nothing that is listed when it cleans (where it has `clean`)': async store => {
    const name = 'key.full.20260101T000000.000Z.tar'
    await store.put(name, [toBytes('abc')])
    const removed = await store.clean?.('key')
    assert.ok(removed === undefined || removed === 0)
    assert.deepEqual(await names(store), [[name, 3]])
  }
}
