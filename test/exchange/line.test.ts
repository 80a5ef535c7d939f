import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Line } from '../../src/exchange/line.js'
import { encodeGreeting, encodeMessage, encodeValue, Kind } from '../../src/exchange/messages.js'
import type { Source } from '../../src/types.js'
import { temporaryDirectory } from '../native/tree.js'

test('what the other side has said before it hung up counts, also to a process that was held up for seconds', async t => {
  const path = join(temporaryDirectory(t), 'socket')
  const server = createServer().listen(path)
  await once(server, 'listening')
  const readable = connect(path)
  const [other] = (await once(server, 'connection')) as [Socket]
  t.after(() => [readable.destroy(), other.destroy(), server.close()])
  // The clock is the test's.
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const gone = async (source: Source<Uint8Array>) => {
    for await (const _ of source) throw new Error('write EPIPE')
  }
  const line = new Line({ readable, writable: gone }, 'receiver', () => {})
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  assert.equal(line.signal.aborted, false)
  const told = { code: 'IBT_LOCKED', message: 'Somebody else holds the key' }
  other.end(Buffer.concat([encodeGreeting(), ...encodeMessage(Kind.failed, encodeValue(told))]))
  t.mock.timers.tick(3_600_000)
  for (let turn = 0; turn < 10; turn++) await setImmediate()
  assert.equal(line.signal.reason.code, 'IBT_LOCKED')
  assert.equal(line.isTold, true)
  await line.close()
})
