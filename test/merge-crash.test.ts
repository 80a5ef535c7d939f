import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { parseSegmentName } from '../src/format/names.js'
import { Chain, parseArtifactName } from '../src/index.js'
import { directoryStore } from '../src/stores/index.js'
import { Desk } from './helpers/desk.js'
import { filesWith, forgetPath } from './helpers/erased.js'
import { assertSameTree, copyTree } from './helpers/judges.js'
import { oracle } from './helpers/oracle.js'
import { startParked } from './helpers/parked.js'
import { createRandom, type Random } from './helpers/random.js'

const SEED = Number(process.env.SEED ?? 1)
const CRASHES = process.env.SLOW === '1' ? 100 : 4

function succeed(desk: Desk, ...args: string[]): string {
  const { status, stdout, stderr } = desk.ibt(...args)
  assert.equal(status, 0, `ibt ${args.join(' ')}: ${stderr}`)
  return stdout
}

/** What a put under way has in a directory has another name. */
const isRecord = (name: string, at: string) => parseSegmentName(name)?.asOf === at

const SECRET = 'the password is swordfish-7261'

/** A full and three incrementals, each with a naive copy: large files that get deltas, and one with a secret. */
class Dates {
  readonly desk: Desk
  readonly dates: readonly string[]

  constructor(t: TestContext, random: Random, largeFiles: number) {
    const desk = new Desk(t)
    this.desk = desk
    mkdirSync(desk.at('src'))
    mkdirSync(desk.at('store'))
    for (let i = 0; i < largeFiles; i++) writeFileSync(desk.at('src', `large ${i}`), random.bytes(9 << 20))
    writeFileSync(desk.at('src', 'secret'), `${SECRET}\n${random.bytes(100_000).toString('base64')}`)
    copyTree(desk.at('src'), desk.at('copy 0'))
    succeed(desk, 'full', 'src')
    for (let i = 1; i <= 3; i++) {
      for (const name of [`large ${(i - 1) % largeFiles}`, 'secret']) {
        const bytes = readFileSync(desk.at('src', name))
        random.bytes(20_000).copy(bytes, 50 + random.int(bytes.length - 50_000))
        writeFileSync(desk.at('src', name), bytes)
      }
      copyTree(desk.at('src'), desk.at(`copy ${i}`))
      succeed(desk, 'incremental', 'src')
    }
    this.dates = this.listed()
  }

  listed(): string[] {
    const lines = succeed(this.desk, 'list', 'src', '--json').trim().split('\n')
    return lines.map(line => JSON.parse(line).date as string)
  }

  /** Starts a command and kills it at some moment. */
  async kill(args: readonly string[], afterMs: number): Promise<void> {
    const run = this.desk.start(args, { stdio: 'ignore' })
    await setTimeout(afterMs)
    run.child.kill('SIGKILL')
    await run.ended
  }

  assertRestores(dates: readonly string[]): void {
    const { desk } = this
    for (const at of dates) {
      const copy = desk.at(`copy ${this.dates.indexOf(at)}`)
      succeed(desk, 'restore', 'src', 'out', '--at', at)
      assertSameTree(desk.at('out'), copy)
      rmSync(desk.at('out'), { recursive: true })
    }
  }

  /** Nothing is in the store that has no state, or is not needed by one. */
  async assertClean(): Promise<void> {
    const names = readdirSync(this.desk.at('store'))
    const parsed = names.map(name => parseArtifactName(name))
    assert.ok(!parsed.includes(undefined), `only artifacts are left: ${names}`)
    const dates = new Set(parsed.filter(name => name!.kind === 'state').map(name => name!.date))
    const chain = await Chain.open(directoryStore(this.desk.at('store')), 'src')
    for (const { date } of chain.backups) for (const one of await chain.needs(date)) dates.add(one.date)
    for (const name of parsed) assert.ok(dates.has(name!.date) || name!.kind === 'sigvault', JSON.stringify(name))
  }

  /** Starts a merge and kills it when so many segments are finished. Resolves to what is in the store then. */
  async killBehind(
    t: TestContext,
    which: { readonly segments: number; readonly at: string; readonly segmentBytes: number }
  ): Promise<ReadonlyMap<string, bigint>> {
    const { desk } = this
    const options = { ...which, key: 'src', store: desk.at('store'), cache: desk.at('cache') }
    const kill = await startParked(t, MERGE, JSON.stringify(options))
    await kill()
    const inode = (name: string) => statSync(desk.at('store', name), { bigint: true }).ino
    return new Map(readdirSync(desk.at('store')).map(name => [name, inode(name)]))
  }
}

/** A merge that stands still when so many segments are finished: it puts nothing more. */
const MERGE = `
  import { mergeBackups } from ${JSON.stringify(import.meta.resolve('../src/index.js'))}
  import { directoryStore, wrapStore } from ${JSON.stringify(import.meta.resolve('../src/stores/index.js'))}
  const { key, segments, ...options } = JSON.parse(process.argv[1])
  const real = directoryStore(options.store)
  let finished = 0
  const store = wrapStore(real, {
    async put(name, ...call) {
      if (finished === segments) await new Promise(() => {})
      await real.put(name, ...call)
      if (name.includes('.segment.') && ++finished === segments) console.log('in the middle')
    }
  })
  await mergeBackups(key, { ...options, store })
`

test(`a merge that is killed at any moment leaves the chain as it was, with seed ${SEED}`, oracle('rsync'), async t => {
  const random = createRandom(SEED)
  const chain = new Dates(t, random, 3)
  const { desk, dates } = chain
  for (let i = 0; i < CRASHES; i++) {
    const [at, from, to] = [dates[2 - (i % 2)]!, dates[0]!, dates[3]!]
    const which = i % 2 === 0 ? ['--at', at] : ['--from', from, '--to', to]
    await chain.kill(['merge', 'src', ...which, '--segment', '1M'], 100 + random.int(700))
    assert.deepEqual(chain.listed(), dates, `crash ${i}`)
    succeed(desk, 'verify', 'src')
  }
  // Each of the three large files is a segment. None of the merges before was of this date.
  const at = dates[1]!
  const merge = ['merge', 'src', '--at', at, '--segment', '1M']
  const left = await chain.killBehind(t, { segments: 2, at, segmentBytes: 1 << 20 })
  const records = [...left.keys()].filter(name => isRecord(name, at))
  const { resumed, restarted } = JSON.parse(
    succeed(desk, ...merge, '--json')
      .trim()
      .split('\n')
      .at(-1)!
  )
  assert.deepEqual([resumed.segments, restarted], [records.length, undefined])
  const finished = new Set(records.map(name => parseSegmentName(name)!.date))
  const names = readdirSync(desk.at('store')).filter(name => finished.has(parseArtifactName(name)?.date ?? ''))
  const kept = names.filter(name => parseArtifactName(name)!.kind !== 'state')
  assert.ok(kept.length >= records.length)
  for (const name of kept) assert.equal(statSync(desk.at('store', name), { bigint: true }).ino, left.get(name), name)
  succeed(desk, 'merge', 'src', '--from', dates[0]!, '--to', dates[3]!)
  succeed(desk, 'clean', 'src', '--grace', '0', '--keep-sigvaults')
  await chain.assertClean()
  chain.assertRestores(dates)
})

test(
  `a prune with merges that is killed loses no kept date, and a second run finishes, with seed ${SEED}`,
  oracle('rsync'),
  async t => {
    const random = createRandom(SEED)
    for (let i = 0; i < CRASHES / 4; i++) {
      const chain = new Dates(t, random, 1)
      const kept = [chain.dates[1]!, chain.dates[3]!]
      // The others are removed by hand: rules keep neighbours of one day.
      const prune = ['prune', 'src', '--keep-last', '1', '--merge', '--grace', '0']
      const [first, , third] = chain.dates
      for (const date of [first, third]) {
        const state = readdirSync(chain.desk.at('store')).find(name => name.includes(`.state.${date}`))!
        rmSync(chain.desk.at('store', state))
      }
      await chain.kill(prune, 100 + random.int(900))
      const left = chain.listed()
      assert.ok(left.includes(kept[1]!), `crash ${i}`)
      chain.assertRestores(left)
      succeed(chain.desk, ...prune)
      assert.deepEqual(chain.listed(), [kept[1]])
      await chain.assertClean()
      chain.assertRestores([kept[1]!])
    }
  }
)

test(
  `an erase that is killed loses no date, and a second run finishes, with seed ${SEED}`,
  oracle('rsync', 'zstd'),
  async t => {
    const random = createRandom(SEED)
    for (let i = 0; i < CRASHES / 4; i++) {
      const chain = new Dates(t, random, 1)
      const { desk, dates } = chain
      await chain.kill(['erase', 'src', 'secret'], 150 + random.int(900))
      assert.deepEqual(chain.listed(), dates, `crash ${i}`)
      for (const at of dates) succeed(desk, 'verify', 'src', '--at', at, '--read-data')
      succeed(desk, 'erase', 'src', 'secret')
      assert.deepEqual(chain.listed(), dates, `crash ${i}`)
      assert.deepEqual([...filesWith(desk.at('store'), SECRET), ...filesWith(desk.at('cache'), SECRET)], [])
      for (const i of dates.keys()) forgetPath(desk.at(`copy ${i}`), 'secret')
      await chain.assertClean()
      chain.assertRestores(dates)
    }
  }
)
