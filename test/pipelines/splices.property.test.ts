import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type BackupReport,
  compose,
  fullBackup,
  type IncrementalStages,
  incrementalBackup,
  listEntries,
  restoreBackup,
  type Store,
  verifyBackup
} from '../../src/index.js'
import { observe } from '../../src/stages/index.js'
import { memoryStore } from '../../src/stores/index.js'
import type { Source, Stage, StateEntry } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { EDITS, Playground } from '../helpers/playground.js'
import { createRandom, type Random } from '../helpers/random.js'
import { takeSnapshot } from '../helpers/snapshot.js'
import { temporaryDirectory } from '../native/tree.js'

const IS_SLOW = process.env.SLOW === '1'
const FIRST = Number(process.env.SEED ?? 1)
const SEEDS = IS_SLOW ? 100 : 6
const RUNS = IS_SLOW ? 20 : 5
const CREATIONS = 60
const EDITS_BETWEEN = 15
/** A loaded machine does fewer. */
const LIMIT_MS = IS_SLOW ? Number.POSITIVE_INFINITY : 15_000

// biome-ignore lint/suspicious/noExplicitAny: it stands between any two stages
type Splice = Stage<any>

/** Stages that change nothing. */
const SPLICES: Readonly<Record<string, () => Splice>> = {
  'passes on': () =>
    async function* (source: Source<object>) {
      yield* source
    },
  copies: () =>
    async function* (source: Source<object>) {
      for await (const item of source) yield { ...item }
    },
  'copies some': () =>
    async function* (source: Source<object>) {
      let count = 0
      for await (const item of source) yield count++ % 7 === 0 ? { ...item } : item
    },
  observes: () => observe<object>(() => {}),
  waits: () =>
    async function* (source: Source<object>) {
      let count = 0
      for await (const item of source) {
        if (count++ % 50 === 0) await new Promise(setImmediate)
        yield item
      }
    }
}

const STAGES = ['filter', 'diff', 'sign', 'pack', 'encode', 'stateEmit', 'encodeState'] as const

/** Two such stages, in front of or behind any of ours. */
function spliced(random: Random): (defaults: IncrementalStages) => Partial<IncrementalStages> {
  const chosen = [0, 1].map(() => ({
    name: random.pick(STAGES),
    isInFront: random.chance(0.5),
    splice: SPLICES[random.pick(Object.keys(SPLICES))]!()
  }))
  return defaults => {
    const stages: Record<string, Splice> = { ...defaults } as never
    for (const { name, isInFront, splice } of chosen) {
      stages[name] = isInFront ? compose(splice, stages[name]!) : compose(stages[name]!, splice)
    }
    return stages as never
  }
}

interface Options {
  readonly key: string
  readonly store: Store
  readonly cache: false
}

/** The entries without what differs by nothing but the date of a run. */
async function statesOf(options: Options, { date }: BackupReport, dates: readonly string[]): Promise<object[]> {
  const number = (found: string) => dates.indexOf(found)
  const entries = await collect(listEntries('key', { ...options, at: date }))
  return entries.map(({ places, signature, ...entry }: StateEntry) => ({
    ...entry,
    places: places?.map(place => ({ ...place, date: number(place.date) })),
    signature: signature && { ...signature, date: number(signature.date) }
  }))
}

test('a stage that changes nothing changes nothing, wherever it stands', async t => {
  const until = Date.now() + LIMIT_MS
  for (let seed = FIRST; seed < FIRST + SEEDS && Date.now() < until; seed++) {
    await t.test(`with seed ${seed}`, async t => {
      const random = createRandom(seed)
      const base = temporaryDirectory(t)
      const source = join(base, 'source')
      mkdirSync(source)
      const ground = new Playground(source)
      for (let i = 0; i < CREATIONS; i++) EDITS.create(ground, random)
      const plain: Options = { key: 'key', store: memoryStore(), cache: false }
      const other: Options = { ...plain, store: memoryStore() }
      const [plainDates, otherDates]: [string[], string[]] = [[], []]
      for (let run = 0; run < RUNS; run++) {
        const backUp = run === 0 ? fullBackup : incrementalBackup
        // What is racy in one run has to be so in the other: both read the same tree, at rest.
        const one = await backUp(source, { ...plain, allowShrink: true })
        const two = await backUp(source, { ...other, allowShrink: true, stages: spliced(random) })
        plainDates.push(one.date)
        otherDates.push(two.date)
        const without = (entries: object[]) => entries.map(entry => ({ ...entry, racy: undefined }))
        assert.deepEqual(
          without(await statesOf(other, two, otherDates)),
          without(await statesOf(plain, one, plainDates)),
          `run ${run}`
        )
        for (let i = 0; i < EDITS_BETWEEN; i++)
          EDITS[random.pick(Object.keys(EDITS) as (keyof typeof EDITS)[])](ground, random)
      }
      assert.deepEqual((await verifyBackup('key', { ...other, readData: true })).problems, [])
      const restored = [plain, other].map((options, i) => ({ options, path: join(base, `restored-${i}`) }))
      for (const { options, path } of restored) await restoreBackup('key', path, options)
      const [first, second] = restored.map(({ path }) => takeSnapshot(path, { xattrs: ground.hasXattrs }))
      assert.deepEqual(second, first)
      rmSync(base, { recursive: true })
    })
  }
})
