import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { gzip, none, zstd } from '../../src/index.js'
import { BY_HAND_TOOLS } from '../helpers/by-hand.js'
import { History, KINDS, type Step } from '../helpers/history.js'
import { oracle } from '../helpers/oracle.js'
import { assertUntil } from '../helpers/until.js'
import { temporaryDirectory } from '../native/tree.js'

const IS_SLOW = process.env.SLOW === '1'
/** Histories that are played side by side, each group with a seed of its own. */
const SEEDS = 4
const RUNS = IS_SLOW ? 2000 : 30
const STEPS = IS_SLOW ? 200 : 80
/** A machine that is slower does less. */
const LIMIT_MS = IS_SLOW ? 3 * 60 * 60 * 1000 : 60_000

const WEIGHTS: Partial<Record<Step['kind'], number>> = {
  create: 8,
  incremental: 5,
  overwrite: 2,
  insert: 2,
  restore: 2
}
const OFTEN = KINDS.flatMap(kind => Array<Step['kind']>(WEIGHTS[kind] ?? 1).fill(kind)).filter(kind => kind !== 'wait')
const step = fc.record({
  // One in a hundred steps waits until the times of the files prove something.
  kind: fc.oneof(
    { weight: 99, arbitrary: fc.constantFrom(...OFTEN) },
    { weight: 1, arbitrary: fc.constant('wait' as const) }
  ),
  seed: fc.noShrink(fc.nat())
})
const CODECS = { default: undefined, zstd: zstd(), gzip: gzip(), none: none() }
const story = fc.record({
  codec: fc.constantFrom(...(Object.keys(CODECS) as (keyof typeof CODECS)[])),
  isOnDisk: fc.constantFrom(false, false, false, false, true),
  steps: fc.array(step, { maxLength: STEPS, size: 'max' })
})

const FIRST = Number(process.env.SEED ?? (IS_SLOW ? Date.now() % 1_000_000 : 1))
const TOOLS = oracle(...BY_HAND_TOOLS, 'getfattr', 'mkfifo')

// SEED=n begins at another seed; what fails is played again with fewer and fewer steps, and the fewest are printed.
test('whatever happens to a tree, every date comes back as it was', { ...TOOLS, concurrency: SEEDS }, async t => {
  const groups = Array.from({ length: SEEDS }, (_, i) => FIRST + i).map(seed =>
    t.test(`with seed ${seed}`, async t => {
      const directory = temporaryDirectory(t)
      let steps = 0
      await assertUntil(LIMIT_MS, { seed, numRuns: RUNS }, story, async ({ codec, isOnDisk, steps: taken }) => {
        const base = mkdtempSync(join(directory, 'history-'))
        const history = new History(base, CODECS[codec], isOnDisk)
        await history.take({ kind: 'full', seed: 0 })
        for (const step of taken) await history.take(step)
        await history.take({ kind: 'incremental', seed: 0 })
        await history.end()
        steps += taken.length
        rmSync(base, { recursive: true })
      })
      t.diagnostic(`${steps} steps`)
    })
  )
  await Promise.all(groups)
})
