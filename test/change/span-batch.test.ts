import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { RACY_MS, SIGNED_MIN_BYTES } from '../../src/constants.js'
import { batchStage, isBatch } from '../../src/flow/batches.js'
import { compose, fullBackup, incrementalBackup } from '../../src/index.js'
import { batchOf, type Signed } from '../../src/types.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

test('a file that may become a delta is read with its neighbours, and leaves them only for its delta', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  const store = join(base, 'store')
  const bytes = createRandom(1).bytes(4 * SIGNED_MIN_BYTES)
  const write = (name: string, content: Uint8Array | string) => writeFileSync(join(source, name), content)
  mkdirSync(source)
  // The last line of a state is compared by itself.
  for (const name of ['a', 'c', 'e', 'z']) write(name, name)
  for (const name of ['b', 'd']) write(name, bytes)
  await setTimeout(RACY_MS + 100)
  await fullBackup(source, { key: 'key', store, cache: false })

  for (const name of ['a', 'c', 'e']) write(name, `${name} again`)
  write('b', Buffer.concat([bytes, Buffer.from('more')]))
  write('d', bytes)
  const seen: [kind: string, path: string, change: string, form: string | undefined][] = []
  const watch = batchStage<Signed>(async function* watchStage(items) {
    for await (const item of items) {
      const kind = isBatch(item) ? item[batchOf] : 'single'
      for (const { path, change, body } of isBatch(item) ? item : [item]) seen.push([kind, path, change, body?.form])
      yield item
    }
  })
  await incrementalBackup(source, {
    ...{ key: 'key', store, cache: false },
    stages: defaults => ({ ...defaults, sign: compose(defaults.sign, watch) })
  })
  assert.deepEqual(
    seen.filter(([, path]) => path !== '.' && path !== 'z'),
    [
      ['read', 'a', 'updated', 'whole'],
      ['items', 'b', 'updated', 'delta'],
      ['read', 'c', 'updated', 'whole'],
      ['read', 'd', 'touched', undefined],
      ['read', 'e', 'updated', 'whole']
    ]
  )
})
