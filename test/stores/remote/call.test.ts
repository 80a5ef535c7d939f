import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Call } from '../../../src/stores/remote/call.js'
import type { Connection } from '../../../src/stores/remote/connection.js'
import { Frame } from '../../../src/stores/remote/frames.js'
import { WINDOW_BYTES } from '../../../src/stores/remote/messages.js'

const MEBIBYTE = 1024 * 1024

/** A connection that writes down what it grants. */
function connection(sharedBytes: number) {
  const credits: number[] = []
  const send = (type: number, _: number, payload: Buffer) => {
    assert.equal(type, Frame.credit)
    credits.push(payload.readUInt32BE())
  }
  return { credits, wire: { sharedBytes, send } as unknown as Connection }
}

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0)

/** Reads what is there, and comes back when everything was read. */
async function drain(call: Call, mebibytes: number): Promise<void> {
  for (let i = 0; i < mebibytes; i++) call.receive(Buffer.alloc(MEBIBYTE))
  call.end()
  for await (const _ of call.read());
}

test('the window of a reader that has to wait is doubled until it has 16 MiB, and no further', async () => {
  const { credits, wire } = connection(100 * MEBIBYTE)
  const call = new Call(wire, 1, WINDOW_BYTES)
  const reading = (async () => {
    for await (const _ of call.read());
  })()
  for (let i = 0; i < 48; i++) {
    call.receive(Buffer.alloc(MEBIBYTE))
    await setImmediate()
  }
  assert.equal((100 * MEBIBYTE - wire.sharedBytes) / MEBIBYTE, 14)
  // A quarter of the window is granted at a time.
  assert.equal(sum(credits) / MEBIBYTE, 48 + 14)
  assert.equal(credits.at(-1)! / MEBIBYTE, 4)
  call.end()
  await reading
  call.close()
  assert.equal(wire.sharedBytes, 100 * MEBIBYTE)
})

test('the window of a reader that is slower than the other side stays as it is', async () => {
  const { credits, wire } = connection(100 * MEBIBYTE)
  const call = new Call(wire, 1, WINDOW_BYTES)
  call.receive(Buffer.alloc(MEBIBYTE))
  call.receive(Buffer.alloc(MEBIBYTE))
  const reader = call.read()
  await reader.next()
  await reader.next()
  assert.deepEqual(credits, [MEBIBYTE])
  assert.equal(wire.sharedBytes, 100 * MEBIBYTE)
})

test('what the connection has to share bounds all windows, and a call beyond its own is refused', async () => {
  const { credits, wire } = connection(MEBIBYTE)
  const call = new Call(wire, 1, WINDOW_BYTES)
  await drain(call, 1)
  assert.deepEqual(credits, [2 * MEBIBYTE])
  assert.equal(wire.sharedBytes, 0)
  for (let i = 0; i < 3; i++) call.receive(Buffer.alloc(MEBIBYTE))
  assert.throws(() => call.receive(Buffer.alloc(1)), {
    code: 'IBT_STORE_FAILED',
    message: /more bytes than were granted/
  })
})

test('a call that is over grants nothing more', async () => {
  const { credits, wire } = connection(100 * MEBIBYTE)
  const call = new Call(wire, 1, WINDOW_BYTES)
  call.receive(Buffer.alloc(MEBIBYTE))
  call.end()
  call.close()
  for await (const _ of call.read());
  assert.deepEqual(credits, [])
})
