import assert from 'node:assert/strict'
import { linkSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { NaiveChain } from '../helpers/chain.js'
import { assertTarCompares, run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const TOOLS = oracle('rsync', 'tar', 'mkfifo')
/** In the middle of what lies beside them in path order. */
const PLACE = 'm'

type Make = (source: string, path: string, seed: number) => void

/** What may be at a path. */
const KINDS: Readonly<Record<string, Make>> = {
  absent: () => {},
  'small file': (_, path, seed) => writeFileSync(path, `small ${seed}`),
  'signed file': (_, path, seed) => writeFileSync(path, createRandom(seed).bytes(40_000)),
  'empty directory': (_, path) => mkdirSync(path),
  'full directory': (_, path, seed) => {
    mkdirSync(join(path, `d${seed % 2}`, 'e'), { recursive: true })
    mkdirSync(join(path, 'm'))
    writeFileSync(join(path, 'a'), `inside ${seed}`)
    writeFileSync(join(path, 'm/m'), createRandom(seed).bytes(20_000))
    writeFileSync(join(path, `d${seed % 2}`, 'e/f'), 'deep')
    symlinkSync('../a', join(path, 'm/link'))
  },
  'symlink to a file': (_, path) => symlinkSync('beside', path),
  'symlink to a directory': (_, path) => symlinkSync('full', path),
  'symlink to elsewhere': (_, path) => symlinkSync('../../outside', path),
  'hard link to what comes before': (source, path) => linkSync(join(source, 'beside'), path),
  'hard link to what comes after': (source, path) => linkSync(join(source, 'z'), path),
  fifo: (_, path) => void run('mkfifo', [path])
}
const NAMES = Object.keys(KINDS)

/** A place of its own for each pair, with something beside it that stays. */
class Pairs {
  readonly chain: NaiveChain
  readonly outside: string
  #seed = 0

  constructor(t: TestContext) {
    this.chain = new NaiveChain(temporaryDirectory(t))
    this.outside = join(this.chain.base, 'outside')
    mkdirSync(this.outside)
    writeFileSync(join(this.outside, 'a'), 'not to be touched')
    writeFileSync(join(this.outside, 'm'), 'nor this')
  }

  directory(pair: string): string {
    const path = join(this.chain.source, pair)
    mkdirSync(join(path, 'full/m'), { recursive: true })
    writeFileSync(join(path, 'full/a'), 'a')
    writeFileSync(join(path, 'full/m/m'), 'm')
    writeFileSync(join(path, 'beside'), createRandom(3).bytes(17_000))
    writeFileSync(join(path, 'z'), 'z')
    return path
  }

  put(pair: string, kind: string): void {
    const directory = join(this.chain.source, pair)
    const path = join(directory, PLACE)
    rmSync(path, { recursive: true, force: true })
    KINDS[kind]!(directory, path, this.#seed++)
  }

  /** Every date is as it was, says rsync, and on the way nothing elsewhere was touched. */
  async judge(): Promise<void> {
    for (const { date, skippedEntries } of this.chain.reports) {
      assert.equal(skippedEntries, 0)
      const restored = await this.chain.assertRestores(date, { keep: true })
      assertTarCompares(restored, this.chain.copy(date))
      rmSync(restored, { recursive: true })
    }
    assert.deepEqual(readdirSync(this.outside).sort(), ['a', 'm'])
  }
}

test('whatever takes the place of whatever, every date comes back', TOOLS, async t => {
  const pairs = new Pairs(t)
  const all = NAMES.flatMap(from => NAMES.map(to => ({ name: `${from} to ${to}`, from, to })))
  for (const { name, from } of all) {
    pairs.directory(name)
    pairs.put(name, from)
  }
  await pairs.chain.full()
  for (const { name, to } of all) pairs.put(name, to)
  await pairs.chain.incremental()
  await pairs.chain.incremental()
  for (const { name, from } of all) pairs.put(name, from)
  await pairs.chain.incremental()
  await pairs.judge()
})

test('a place that is something else at every increment is right at each', TOOLS, async t => {
  const pairs = new Pairs(t)
  const seed = 20261123
  const random = createRandom(seed)
  const places = Array.from({ length: 24 }, (_, i) => `place ${i}`)
  for (const place of places) {
    pairs.directory(place)
    pairs.put(place, random.pick(NAMES))
  }
  await pairs.chain.full()
  for (let i = 0; i < 12; i++) {
    for (const place of places) if (random.chance(0.7)) pairs.put(place, random.pick(NAMES))
    await pairs.chain.incremental()
  }
  await pairs.judge().catch(error => {
    throw new Error(`seed ${seed}`, { cause: error })
  })
})

test(
  'a directory that becomes a link to elsewhere is restored as the link, over the directory, too',
  TOOLS,
  async t => {
    const pairs = new Pairs(t)
    pairs.directory('x')
    pairs.put('x', 'full directory')
    const { date } = await pairs.chain.full()
    pairs.put('x', 'symlink to elsewhere')
    await pairs.chain.incremental()
    const over = { overwrite: 'always', delete: true } as const
    for (const at of [date, undefined, date, undefined]) {
      await pairs.chain.restore('over', { ...over, at })
      const target = at === undefined ? pairs.chain.source : pairs.chain.copy(date)
      run('diff', ['-r', '--no-dereference', target, join(pairs.chain.base, 'over')])
    }
    assert.equal(readlinkSync(join(pairs.chain.base, 'over/x', PLACE)), '../../outside')
    assert.deepEqual(readdirSync(pairs.outside).sort(), ['a', 'm'])
  }
)

test('a deep tree that is deleted is deleted entry by entry, and comes back at its date', TOOLS, async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const names = Array.from({ length: 200 }, (_, i) => `level ${i}`)
  mkdirSync(join(chain.source, ...names), { recursive: true })
  for (let i = 1; i <= names.length; i++) writeFileSync(join(chain.source, ...names.slice(0, i), 'file'), String(i))
  for (const i of names.keys()) mkdirSync(join(chain.source, `level 0.${i}`))
  const { date, totals } = await chain.full()
  rmSync(join(chain.source, 'level 0'), { recursive: true })
  const { totals: after } = await chain.incremental()
  assert.deepEqual([totals.entries, after.deleted, after.entries], [601, 400, 201])
  await chain.assertRestores(date)
  await chain.assertRestores(chain.reports[1]!.date)
})
