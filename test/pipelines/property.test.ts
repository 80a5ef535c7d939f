import assert from 'node:assert/strict'
import { chmodSync, lstatSync, readdirSync, rmSync, type Stats, statSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { gzip, none, verifyBackup, zstd } from '../../src/index.js'
import { assertRestoresByHand, BY_HAND_TOOLS } from '../helpers/by-hand.js'
import { NaiveChain } from '../helpers/chain.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom, type Random } from '../helpers/random.js'
import { Tree, usableMode } from '../helpers/tree.js'
import { temporaryDirectory } from '../native/tree.js'

const IS_SLOW = process.env.SLOW === '1'
const SEEDS = IS_SLOW ? 40 : 4
const STEPS = IS_SLOW ? 150 : 60

const NAMES: readonly (string | Buffer)[] = [
  ...['a', 'a.b', 'a-', 'a b', 'b', 'c', '-', '\n', '\u00e9', 'e\u0301', 'n'.repeat(120), '\u{1f600}'],
  ...[Buffer.from([0x61, 0xff]), Buffer.from([0xfe])]
]
const SIZES: readonly number[] = [0, 1, 511, 512, 513, 5000, 16_383, 16_384, 20_000, 70_000, 131_072, 131_073, 400_000]
const MODES: readonly number[] = [0o644, 0o600, 0o755, 0o4711, 0o1640, 0]
const TIMES: readonly string[] = [
  '@0',
  '@-1.500000001',
  '@1700000000.123456789',
  '@1700000000',
  '@2500000000.000000001'
]

/** A tree to which anything may happen. Names are binary (latin1) strings, so that they may be any bytes. */
class Playground {
  readonly tree: Tree

  constructor(
    readonly root: string,
    readonly random: Random,
    seed: number
  ) {
    this.tree = new Tree(root, seed)
  }

  #paths(wanted: (stat: Stats) => boolean): Buffer[] {
    const found: Buffer[] = []
    const list = (directory: Buffer) => {
      for (const name of readdirSync(this.tree.at(directory), { encoding: 'buffer' })) {
        const path = directory.length === 0 ? name : Buffer.concat([directory, Buffer.from('/'), name])
        const stat = lstatSync(this.tree.at(path))
        if (wanted(stat)) found.push(path)
        if (stat.isDirectory()) list(path)
      }
    }
    list(Buffer.alloc(0))
    return found.sort(Buffer.compare)
  }

  #some(wanted: (stat: Stats) => boolean = () => true): Buffer | undefined {
    const paths = this.#paths(wanted)
    return paths.length === 0 ? undefined : this.random.pick(paths)
  }

  readonly #file = (stat: Stats) => stat.isFile()

  /** A path that is free, in some directory that is not too deep. */
  #free(): Buffer | undefined {
    const directories = this.#paths(stat => stat.isDirectory()).filter(path => path.toString('latin1').length < 400)
    const directory = this.random.pick([Buffer.alloc(0), ...directories])
    const name = Buffer.from(this.random.pick(NAMES) as string)
    const path = directory.length === 0 ? name : Buffer.concat([directory, Buffer.from('/'), name])
    return existsAt(this.tree.at(path)) ? undefined : path
  }

  #make(path: Buffer): void {
    const kind = this.random.int(10)
    if (kind < 6) this.tree.file(path, this.random.pick(SIZES))
    else if (kind < 8) this.tree.directory(path)
    else this.tree.symlink(path, this.random.pick(NAMES))
  }

  readonly steps: Readonly<Record<string, () => void>> = {
    create: () => {
      const path = this.#free()
      if (path) this.#make(path)
    },
    edit: () => {
      const path = this.#some(this.#file)
      if (!path) return
      const { size } = statSync(this.tree.at(path))
      const offset = this.random.int(size + 1)
      const length = this.random.pick([0, 1, 100, 3000])
      this.tree.splice(path, offset, length, this.random.pick([0, length, 1, 2000]))
    },
    truncate: () => {
      const path = this.#some(this.#file)
      if (path) this.tree.truncate(path, this.random.pick(SIZES))
    },
    remove: () => {
      const path = this.#some()
      if (path) this.tree.remove(path)
    },
    rename: () => {
      const [from, to] = [this.#some(), this.#free()]
      if (from && to && !to.toString('latin1').startsWith(`${from.toString('latin1')}/`)) this.tree.rename(from, to)
    },
    retype: () => {
      const path = this.#some()
      if (!path) return
      this.tree.remove(path)
      this.#make(path)
    },
    chmod: () => {
      const path = this.#some(stat => !stat.isSymbolicLink())
      if (path) chmodSync(this.tree.at(path), usableMode(this.random.pick(MODES)))
    },
    touch: () => {
      const path = this.#some(stat => stat.isFile() || stat.isDirectory())
      // The command takes text only; times of links are judged elsewhere.
      if (path?.equals(Buffer.from(path.toString()))) this.tree.touch(path, this.random.pick(TIMES))
    },
    link: () => {
      const [to, path] = [this.#some(this.#file), this.#free()]
      if (to && path) this.tree.link(path, to)
    }
  }
}

function existsAt(path: Buffer): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined
}

async function play(t: TestContext, seed: number): Promise<void> {
  const random = createRandom(seed)
  const codec = random.pick([undefined, zstd(), gzip(), none()])
  const chain = new NaiveChain(temporaryDirectory(t), { codec })
  const ground = new Playground(chain.source, random, seed)
  const done: string[] = []
  const kinds = [...Object.keys(ground.steps), 'create', 'create', 'create', 'edit', 'edit']
  try {
    await chain.full()
    for (let step = 0; step < STEPS; step++) {
      const action = random.chance(0.15) ? random.pick(['incremental', 'incremental', 'full', 'restore']) : undefined
      const name = action ?? random.pick(kinds)
      done.push(name)
      if (action === undefined) ground.steps[name]!()
      else if (action === 'restore') await chain.assertRestores(random.pick(chain.reports).date)
      else assert.equal((await chain[action as 'full' | 'incremental']()).skippedEntries, 0)
      if (random.chance(0.03)) rmSync(chain.cachePath, { recursive: true, force: true })
    }
    await chain.incremental()
    done.push('restore all')
    for (const { date } of chain.reports) await chain.assertRestores(date)
    done.push('restore by hand')
    for (const { date } of [random.pick(chain.reports), chain.reports.at(-1)!]) assertRestoresByHand(chain, date)
    const { problems } = await verifyBackup('key', { ...chain.options, readData: true })
    assert.deepEqual(problems, [])
  } catch (cause) {
    throw new Error(`Seed ${seed} after ${done.join(' ')}`, { cause })
  }
}

const FIRST = Number(process.env.SEED ?? 1)

// Some hundred steps; SLOW=1 does some thousand, SEED=n begins at another seed.
for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
  test(`whatever happens to a tree, every date comes back as it was, with seed ${seed}`, oracle(...BY_HAND_TOOLS), t =>
    play(t, seed)
  )
}
