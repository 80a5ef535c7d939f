import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { receiveBackup, sendBackup } from '../../../src/index.js'
import { memoryStore, wrapStore } from '../../../src/stores/index.js'
import { temporaryDirectory } from '../../native/tree.js'

test('when a sender hears that all is done, the key is free for its next connection', async t => {
  const source = temporaryDirectory(t)
  writeFileSync(join(source, 'file'), 'some text')
  let isAsked = false
  let isFree = false
  let free = () => {}
  const isTime = new Promise<void>(resolve => {
    free = resolve
  })
  const inner = memoryStore()
  const store = wrapStore(inner, {
    async delete(name, options) {
      isAsked = true
      await isTime
      await inner.delete(name, options)
      isFree = true
    }
  })
  // The clock is the test's: an end that waits for the other one to hang up waits no longer.
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const [there, back] = [new PassThrough(), new PassThrough()]
  const received = receiveBackup({ readable: there, writable: back }, { store, cache: false, key: 'key' })
  const sent = sendBackup({ readable: back, writable: there }, source, { key: 'key' }).then(() => isFree)
  while (!isAsked) await setImmediate()
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  t.mock.timers.tick(3000)
  for (let turn = 0; turn < 20; turn++) await setImmediate()
  free()
  assert.equal(await sent, true)
  await received
})
