import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RateLimiter } from '../../src/flow/rate.js'
import { limitRate } from '../../src/stages/limit-rate.js'
import { bytesOf, entry } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'

stageContract(
  'limitRate',
  () => limitRate('1G'),
  () => [entry('a'), { item: 'chunk', name: 'a', kind: 'full', bytes: Buffer.from('abc') }, Buffer.from('de')]
)

test('bytes and chunks of archives are counted together, and chunks stay whole', async () => {
  const limiter = new RateLimiter(Infinity)
  const taken: number[] = []
  limiter.take = async sizeBytes => void taken.push(sizeBytes)
  const chunk = { item: 'chunk', name: 'a', kind: 'full', bytes: Buffer.alloc(3_000_000) }
  const items: unknown[] = []
  for await (const item of limitRate<object>(limiter)([chunk, Buffer.from('abc')])) items.push(item)
  assert.equal(items[0], chunk)
  assert.equal((await bytesOf([items[1] as Uint8Array])).toString(), 'abc')
  assert.deepEqual(taken, [3_000_000, 3])
})

test('a rate that is none is refused at the call', () => {
  assert.throws(() => limitRate(0), RangeError)
})
