import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fullBackup, restoreBackup } from '../../src/index.js'
import { openPlaces, placesInside } from '../../src/places/places.js'
import { temporaryDirectory } from '../native/tree.js'

test('a store is inside a source whatever its name begins with, and beside it if its path says so', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  for (const name of ['..store', 'store', '../store']) mkdirSync(join(source, name), { recursive: true })
  const inside = (name: string) => placesInside(openPlaces({ store: join(source, name), cache: false }), source)
  assert.deepEqual(await inside('..store'), ['..store'])
  assert.deepEqual(await inside('store'), ['store'])
  assert.deepEqual(await inside('../store'), [])
  assert.deepEqual(await inside('..'), [])
  await assert.rejects(inside('.'), RangeError)
})

test('an empty path is no place, rather than the working directory', async t => {
  const base = temporaryDirectory(t)
  const store = join(base, 'store')
  const options = { store, cache: false, key: 'key' } as const
  await fullBackup(base, options)
  await assert.rejects(fullBackup('', options), RangeError)
  await assert.rejects(fullBackup(base, { ...options, store: '' }), RangeError)
  await assert.rejects(fullBackup(base, { ...options, cache: '' }), RangeError)
  await assert.rejects(restoreBackup('key', '', { ...options, overwrite: 'never' }), RangeError)
})
