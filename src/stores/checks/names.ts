import assert from 'node:assert/strict'
import { isAbsolute } from 'node:path'
import { toBytes } from '../hand-source.js'
import { type Checks, names, read } from './checks.js'

const MANY_NAMES = 1001
const PUTS_AT_ONCE = 16

/** Names that every store must take. */
const ODD_NAMES: readonly string[] = ['-', 'a b', '%2F%41', 'ünï-😀', 'a..b', 'UPPER', '\'"*?[x]', 'n'.repeat(200)]
const BAD_NAMES: readonly string[] = ['', '.', '..', '.hidden', 'a/b', '/a', 'a\0b', '\ud800']

/** What a store promises about names: which it takes, how it lists and deletes them. */
export const NAME_CHECKS: Checks = {
  'has an id that is not empty': async store => {
    assert.equal(typeof store.id, 'string')
    assert.notEqual(store.id, '')
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
  }
}

/** For stores of which a thousand puts can be asked. */
export const MANY_CHECKS: Checks = {
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
