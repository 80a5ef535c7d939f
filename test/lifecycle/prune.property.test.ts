import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { BY_HAND_TOOLS } from '../helpers/by-hand.js'
import { History, type Step } from '../helpers/history.js'
import { oracle } from '../helpers/oracle.js'
import { temporaryDirectory } from '../native/tree.js'

const IS_SLOW = process.env.SLOW === '1'
const RUNS = IS_SLOW ? 500 : 15
const SEED = Number(process.env.SEED ?? 1)

const OFTEN: readonly Step['kind'][] = [
  ...[
    'full',
    'incremental',
    'incremental',
    'incremental',
    'prune',
    'prune',
    'undelete',
    'merge',
    'erase',
    'restore',
    'loseCache'
  ],
  ...['create', 'create', 'overwrite', 'insert', 'append', 'rename', 'remove', 'link']
] as const as Step['kind'][]

const step = fc.record({ kind: fc.constantFrom(...OFTEN), seed: fc.noShrink(fc.nat()) })
const story = fc.record({
  isOnDisk: fc.constantFrom(false, false, true),
  steps: fc.array(step, { maxLength: 50, minLength: 20, size: 'max' })
})

test('whatever is pruned, erased and comes back, every kept date restores', oracle(...BY_HAND_TOOLS), async t => {
  const directory = temporaryDirectory(t)
  const property = fc.asyncProperty(story, async ({ isOnDisk, steps }) => {
    const base = mkdtempSync(join(directory, 'history-'))
    const history = new History(base, undefined, isOnDisk)
    await history.take({ kind: 'full', seed: 0 })
    for (const step of steps) await history.take(step)
    for (const date of history.dates) await history.assertRestores(date)
    await history.end()
    rmSync(base, { recursive: true })
  })
  await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: !IS_SLOW })
})
