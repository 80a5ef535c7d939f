import assert from 'node:assert/strict'
import { test } from 'node:test'
import { observe } from '../../src/stages/observe.js'
import { collect, entry } from '../helpers/entries.js'
import { stageContract, WatchedSource } from '../helpers/stage-contract.js'

stageContract(
  'observe',
  () => observe(() => {}),
  () => [entry('a'), entry('b')]
)

test('every item is seen before it passes on', async () => {
  const log: unknown[] = []
  for await (const item of observe<number>(seen => log.push(`seen ${seen}`))([1, 2])) log.push(item)
  assert.deepEqual(log, ['seen 1', 1, 'seen 2', 2])
})

test('an error of the callback ends the pipeline and closes the source', async () => {
  const error = new Error('enough')
  const source = new WatchedSource([entry('a')])
  const refuse = observe(() => {
    throw error
  })
  await assert.rejects(collect(refuse(source)), thrown => thrown === error)
  assert.equal(source.returns, 1)
})

test('anything but a function is refused at the call', () => {
  assert.throws(() => observe({} as never), TypeError)
})
