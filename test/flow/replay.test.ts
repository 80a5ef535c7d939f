import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { Replay } from '../../src/flow/replay.js'
import { bytesOf } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'

test('any reader gets all bytes, in memory and on disk, also one that begins in the middle of another', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = createRandom(seed)
    const chunks = Array.from({ length: random.int(12) }, (_, i) => Buffer.alloc(random.int(3000), i + 65))
    const whole = Buffer.concat(chunks).toString('latin1')
    const replay = new Replay(chunks, { memoryBytes: random.int(20_000), directory: tmpdir() })
    // An attempt that broke off somewhere.
    let left = random.int(14)
    for await (const _ of replay.read()) if (left-- === 0) break
    const [one, other] = await Promise.all([bytesOf(replay.read()), bytesOf(replay.read())])
    assert.equal(one.toString('latin1'), whole, `seed ${seed}`)
    assert.equal(other.toString('latin1'), whole, `seed ${seed}`)
    assert.equal(replay.sizeBytes, whole.length)
    await replay.close()
  }
})

test('the first reader gets everything although nothing can be buffered', async () => {
  const chunks = [Buffer.alloc(2_000_000, 'a'), Buffer.alloc(5000, 'b')]
  const replay = new Replay(chunks, { memoryBytes: 1, directory: '/nowhere' })
  assert.equal((await bytesOf(replay.read())).length, 2_005_000)
  assert.equal(await replay.isReplayable(), false)
})

test('an error of the source is remembered, and a break ends a silent one', async () => {
  const error = new Error('of the source')
  const failing = new Replay(
    (async function* () {
      yield Buffer.from('a')
      throw error
    })(),
    { memoryBytes: 10, directory: tmpdir() }
  )
  for (let i = 0; i < 2; i++) await assert.rejects(bytesOf(failing.read()), thrown => thrown === error)
  assert.equal(failing.failure?.error, error)
  const silent = new Replay(
    { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => {}) }) },
    {
      memoryBytes: 10,
      directory: tmpdir()
    }
  )
  const read = bytesOf(silent.read())
  silent.break(error)
  await assert.rejects(read, thrown => thrown === error)
  await silent.close()
})
