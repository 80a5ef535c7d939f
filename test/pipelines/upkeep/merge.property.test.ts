import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { none } from '../../../src/index.js'
import { BY_HAND_TOOLS } from '../../helpers/by-hand.js'
import { History, KINDS, REWRITING_KINDS, type Step } from '../../helpers/history.js'
import { oracle } from '../../helpers/oracle.js'
import { assertUntil } from '../../helpers/until.js'
import { temporaryDirectory } from '../../native/tree.js'

const IS_SLOW = process.env.SLOW === '1'
const RUNS = IS_SLOW ? 1000 : 5
const STEPS = IS_SLOW ? 150 : 40
const LIMIT_MS = IS_SLOW ? 3 * 60 * 60 * 1000 : 120_000
const FIRST = Number(process.env.SEED ?? (IS_SLOW ? Date.now() % 1_000_000 : 1))

const WEIGHTS: Partial<Record<Step['kind'], number>> = { incremental: 10, overwrite: 4, insert: 4, create: 4, full: 1 }
const RARE: readonly Step['kind'][] = [
  'wait',
  'restoreOver',
  'select',
  'restore',
  'rules',
  'loseCache',
  'again',
  'prune',
  'undelete'
]
const PLAIN = KINDS.filter(kind => !RARE.includes(kind)).flatMap(kind => Array(WEIGHTS[kind] ?? 1).fill(kind))
const REWRITES = REWRITING_KINDS.flatMap(kind => Array<Step['kind']>(3).fill(kind))

const step = fc.record({ kind: fc.constantFrom<Step['kind']>(...PLAIN, ...REWRITES), seed: fc.noShrink(fc.nat()) })
const story = fc.record({
  isPlain: fc.boolean(),
  isOnDisk: fc.constantFrom(false, false, true),
  steps: fc.array(step, { maxLength: STEPS, size: 'max' })
})

// SEED=n begins at another seed; what fails is played again with fewer and fewer steps, and the fewest are printed.
test('whatever is merged, folded, pruned and erased, every date that is left comes back as it was', {
  ...oracle(...BY_HAND_TOOLS, 'getfattr', 'mkfifo'),
  concurrency: 2
}, async t => {
  const groups = [FIRST, FIRST + 1].map(seed =>
    t.test(`with seed ${seed}`, async t => {
      const directory = temporaryDirectory(t)
      await assertUntil(LIMIT_MS, { seed, numRuns: RUNS }, story, async ({ isPlain, isOnDisk, steps }) => {
        const base = mkdtempSync(join(directory, 'history-'))
        const history = new History(base, isPlain ? none() : undefined, isOnDisk)
        await history.take({ kind: 'full', seed: 0 })
        for (const step of steps) await history.take(step)
        await history.take({ kind: 'incremental', seed: 0 })
        for (const date of history.dates) await history.assertRestores(date)
        await history.end()
        rmSync(base, { recursive: true })
      })
    })
  )
  await Promise.all(groups)
})
