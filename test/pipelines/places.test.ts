import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openPlaces, placesInside } from '../../src/pipelines/places.js'
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
