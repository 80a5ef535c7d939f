import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Connection } from '../../../src/stores/remote/connection.js'
import { encodeHeader, Frame } from '../../../src/stores/remote/frames.js'

test('what has arrived is read before the other side is taken as gone', async t => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const [readable, writable] = [new PassThrough(), new PassThrough()]
  const connection = new Connection({ readable, writable }, { onFrame: () => {}, onData: () => {} }, 1000)
  t.mock.timers.tick(1000)
  // In a process that stood still, the timer comes before the bytes that came first.
  process.nextTick(() => readable.write(encodeHeader(Frame.pong, 0, 0)))
  t.mock.timers.tick(1000)
  for (let turn = 0; turn < 3; turn++) await setImmediate()
  assert.equal(connection.error, undefined)
  for (let silent = 0; silent < 2; silent++) t.mock.timers.tick(1000)
  assert.match(String((await connection.closed)?.cause), /Nothing was heard/)
})
