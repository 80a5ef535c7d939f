import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nullStore } from '../../src/stores/null-store.js'

test('what is put is read to its end and not kept', async () => {
  const store = nullStore()
  let chunks = 0
  const source = (function* () {
    for (; chunks < 3; chunks++) yield new Uint8Array(10)
  })()
  await store.put('name', source)
  assert.equal(chunks, 3)
  for await (const stored of store.list()) assert.fail(`${stored.name} is listed`)
  await assert.rejects(store.get('name')[Symbol.asyncIterator]().next(), { code: 'IBT_NOT_FOUND', path: 'name' })
  await store.delete('name')
  assert.equal(await store.create('name', new Uint8Array(1)), true)
})

test('an error of the source and a wrong name are not swallowed', async () => {
  const failure = new Error('The source fails')
  const source = (function* () {
    yield new Uint8Array(1)
    throw failure
  })()
  await assert.rejects(nullStore().put('name', source), error => error === failure)
  await assert.rejects(nullStore().put('a/b', []), { code: 'IBT_NAME_INVALID' })
})
