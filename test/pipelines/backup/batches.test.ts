import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { BATCH_ENTRIES, RACY_MS } from '../../../src/constants.js'
import { type BackupReport, fullBackup, incrementalBackup, none, type RulesOptions } from '../../../src/index.js'
import type { Entry, Source } from '../../../src/types.js'
import { EDITS, Playground } from '../../helpers/playground.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

type Kind = keyof typeof EDITS

const FIRST = Number(process.env.SEED ?? 1)
const SEEDS = 4
const CREATIONS = 150
const EDITS_BETWEEN = 12
const RULES: readonly (RulesOptions | undefined)[] = [
  undefined,
  { exclude: ['b', '*.b'] },
  { ignoreFiles: ['.skip'] },
  { excludeIfPresent: ['c'] }
]

function edit(ground: Playground, kinds: readonly Kind[], count: number, seed: number): void {
  const random = createRandom(seed)
  for (let i = 0; i < count; i++) EDITS[random.pick(kinds)](ground, random)
}

/** The lines of the newest state, and what its last line counts. */
function stateOf(store: string, { date }: BackupReport): { lines: readonly string[]; closing: object } {
  const text = readFileSync(join(store, `key.state.${date}.json`), 'utf8')
  const lines = text.split('\n')
  const { totals, artifacts } = JSON.parse(`{${lines.at(-2)!.slice(2)}`)
  // What this backup itself has stored is named after its date.
  return { lines: lines.slice(1, -2), closing: { totals, artifacts: artifacts.filter(isOlder) } }
  function isOlder(artifact: { readonly date: string }): boolean {
    return artifact.date !== date
  }
}

/** A source of files of this package and of whatever a playground makes, at rest. */
async function makeSource(source: string, seed: number): Promise<Playground> {
  cpSync('src', source, { recursive: true })
  const ground = new Playground(source)
  edit(ground, ['create'], CREATIONS, seed)
  mkdirSync(join(source, 'many'))
  for (let i = 0; i < BATCH_ENTRIES + 1; i++) writeFileSync(join(source, 'many', String(i)), String(i))
  writeFileSync(join(source, 'stages', '.skip'), 'w*\n')
  await setTimeout(RACY_MS + 100)
  return ground
}

/** Side by side, each with a seed of its own. */
async function withSeeds(t: TestContext, run: (seed: number, base: string) => Promise<void>): Promise<void> {
  const seeds = Array.from({ length: SEEDS }, (_, i) => FIRST + i)
  await Promise.all(seeds.map(seed => t.test(`with seed ${seed}`, t => run(seed, temporaryDirectory(t)))))
}

/** A stage of a caller's own that copies every entry: nothing of what it yields can be joined to a batch again. */
const oneByOne = async function* (source: Source<Entry>) {
  for await (const entry of source) yield { ...entry }
}
/** One that passes every entry on as it is. */
const passed = async function* (source: Source<Entry>) {
  yield* source as AsyncIterable<Entry>
}

// Side by side, because they wait.
describe('entries pass in batches or one by one', { concurrency: true }, () => {
  test('a full stores the same bytes whether entries pass in batches or one by one', { concurrency: SEEDS }, t =>
    withSeeds(t, async (seed, base) => {
      const source = join(base, 'source')
      await makeSource(source, seed)
      const options = { key: 'key', codec: none(), rules: RULES[seed % RULES.length], cache: false as const }
      const [one, other] = [join(base, 'one'), join(base, 'other')]
      const inBatches = await fullBackup(source, { ...options, store: one })
      const byEntry = await fullBackup(source, { ...options, store: other, stages: { filter: oneByOne } })
      assert.deepEqual(inBatches.totals, byEntry.totals)
      assert.deepEqual(stateOf(one, inBatches).lines, stateOf(other, byEntry).lines)
      const tars = (store: string, { files }: BackupReport) =>
        files
          .filter(({ kind }) => kind !== 'state')
          .map(({ kind, name }) => ({ kind, tar: readFileSync(join(store, name)) }))
      for (const [i, { kind, tar }] of tars(other, byEntry).entries()) {
        assert.ok(tars(one, inBatches)[i]?.tar.equals(tar), `the ${kind} differs`)
      }
    })
  )

  test('an incremental says the same whether entries pass in batches or one by one', { concurrency: SEEDS }, t =>
    withSeeds(t, async (seed, base) => {
      const source = join(base, 'source')
      const ground = await makeSource(source, seed)
      const rules = RULES[seed % RULES.length]
      const options = { key: 'key', codec: none(), rules, cache: false as const, allowShrink: true }
      const [one, other] = [join(base, 'one'), join(base, 'other')]
      await fullBackup(source, { ...options, store: one })
      for (let round = 0; round < 3; round++) {
        edit(ground, Object.keys(EDITS) as Kind[], EDITS_BETWEEN, seed + round * 1000)
        await setTimeout(RACY_MS + 100)
        rmSync(other, { recursive: true, force: true })
        cpSync(one, other, { recursive: true })
        const inBatches = await incrementalBackup(source, { ...options, store: one })
        const byEntry = await incrementalBackup(source, { ...options, store: other, stages: { filter: oneByOne } })
        assert.deepEqual(inBatches.totals, byEntry.totals)
        assert.deepEqual(stateOf(one, inBatches), stateOf(other, byEntry))
        assert.ok(inBatches.totals.unchanged > 0)
      }
      assert.equal(readdirSync(one).length, readdirSync(other).length)
    })
  )

  for (const [what, stages] of [
    ['as they are', undefined],
    ['with no stage replaced', {}],
    ['behind a stage that passes them on', { filter: passed }]
  ] as const) {
    test(`in a chain of backups that stored nothing entries pass in batches ${what}`, async t => {
      const base = temporaryDirectory(t)
      const source = join(base, 'source')
      cpSync('src', source, { recursive: true })
      await setTimeout(RACY_MS + 100)
      const options = { key: 'key', store: join(base, 'store'), cache: false as const, stages }
      await fullBackup(source, options)
      for (let i = 0; i < 3; i++) {
        let calls = 0
        const onProgress = () => calls++
        const { totals } = await incrementalBackup(source, { ...options, onProgress })
        assert.equal(totals.unchanged, totals.entries)
        assert.ok(calls < totals.entries / 4, `${calls} items for ${totals.entries} entries`)
      }
    })
  }
})
