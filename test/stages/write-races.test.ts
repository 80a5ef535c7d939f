import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { pipe } from '../../src/interop/pipe.js'
import { openFile } from '../../src/native.js'
import { type WriteOptions, write } from '../../src/stages/write.js'
import type { Entry } from '../../src/types.js'
import { directory, entry, file } from '../helpers/entries.js'
import { run } from '../helpers/judges.js'
import { createRandom } from '../helpers/random.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const DIRECTORIES = 10
const FILES = 10

/** Moves a directory away, puts a link to `outside` in its place, and undoes that, over and over. */
const SWAP = `
  const { renameSync, symlinkSync, unlinkSync } = require('node:fs')
  const { paths, away, outside, state } = require('node:worker_threads').workerData
  const swap = (...steps) => { for (const step of steps) try { step() } catch {} }
  Atomics.wait(state, 0, 0)
  for (let i = 0; Atomics.load(state, 0) === 1; i++) {
    const path = paths[i % paths.length]
    swap(() => renameSync(path, away), () => symlinkSync(outside, path))
    Atomics.add(state, 1, 1)
    swap(() => unlinkSync(path), () => renameSync(away, path))
  }
`

function startSwapping(paths: readonly string[], away: string, outside: string) {
  const state = new Int32Array(new SharedArrayBuffer(8))
  const worker = new Worker(SWAP, { eval: true, workerData: { paths, away, outside, state } })
  const set = (value: number) => {
    Atomics.store(state, 0, value)
    Atomics.notify(state, 0)
  }
  const stopped = new Promise(resolve => worker.once('exit', resolve))
  return {
    begin: () => set(1),
    swaps: () => Atomics.load(state, 1),
    end: async () => {
      set(2)
      await stopped
    }
  }
}

function* tree(seed: number): Generator<Entry> {
  yield directory('.', own)
  for (let d = 0; d < DIRECTORIES; d++) {
    const name = `d${String(d).padStart(2, '0')}`
    yield directory(name, own)
    for (let f = 0; f < FILES; f++)
      yield file(`${name}/f${String(f).padStart(2, '0')}`, randomBytes(500, seed + f), own)
    yield entry(`${name}/link`, { ...own, type: 'symlink', mode: 0o777, linkname: `target ${seed}` })
  }
}

function makeOutside(base: string): string {
  const outside = join(base, 'outside')
  mkdirSync(outside)
  for (const name of ['f00', 'f01', 'other', 'd00']) writeFileSync(join(outside, name), 'precious')
  return outside
}

function assertUntouched(outside: string): void {
  assert.deepEqual(readdirSync(outside), ['d00', 'f00', 'f01', 'other'])
  for (const name of readdirSync(outside)) assert.equal(readFileSync(join(outside, name), 'utf8'), 'precious')
}

async function race(t: TestContext, swapped: (to: string) => string[], options: WriteOptions): Promise<void> {
  const base = temporaryDirectory(t)
  const outside = makeOutside(base)
  const to = join(base, 'to')
  if (options.overwrite !== undefined) await pipe(tree(1), write(to))
  const swapping = startSwapping(swapped(to), join(base, 'away'), outside)
  let rounds = 0
  /** The destination is open when its first entry has been taken. */
  async function* swappedTree(seed: number) {
    for (const item of tree(seed)) {
      yield item
      swapping.begin()
      while (swapping.swaps() === 0) await setImmediate()
    }
  }
  try {
    // Entries that are swapped away cost themselves; a root that is a link when the restore begins is another destination.
    for (; rounds < 50 && swapping.swaps() < 100; rounds++) {
      const target = options.overwrite === undefined ? join(to, `round ${rounds}`) : to
      if (rounds > 0 && swapped(to).includes(to)) break
      await pipe(swappedTree(rounds), write(target, { ...options, onError: () => {} })).catch(() => {})
    }
  } finally {
    await swapping.end()
  }
  assert.ok(swapping.swaps() > 0, 'nothing was swapped')
  assertUntouched(outside)
}

const directories = (to: string) =>
  Array.from({ length: DIRECTORIES }, (_, d) => join(to, `d${String(d).padStart(2, '0')}`))

for (const options of [{ overwrite: 'always' }, { overwrite: 'always', delete: true }] as const) {
  const how = 'delete' in options ? 'with delete' : 'without delete'
  test(`directories that are swapped for links meanwhile do not lead a restore outside, ${how}`, async t => {
    await race(t, directories, options)
  })
  test(`a destination that is swapped for a link meanwhile does not lead a restore outside, ${how}`, async t => {
    for (let i = 0; i < 3; i++) await race(t, to => [to], options)
  })
}

test('a destination that is moved is filled where it is', async t => {
  const base = temporaryDirectory(t)
  const outside = makeOutside(base)
  const [to, moved] = [join(base, 'to'), join(base, 'moved')]
  const onEntry = ({ path }: Entry) => {
    if (path !== '.') return
    renameSync(to, moved)
    symlinkSync(outside, to)
  }
  const { entries, skippedEntries } = await pipe(tree(1), write(to, { onEntry }))
  assert.deepEqual([entries, skippedEntries], [1 + DIRECTORIES * (FILES + 2), 0])
  assertUntouched(outside)
  assert.equal(readdirSync(join(moved, 'd00')).length, FILES + 1)
})

/** Everything in a tree that a write would change. */
function inodes(root: string): string {
  return run('find', [root, '-printf', '%P %i %C@ %s %n\\n']).toString('latin1')
}

/** Waits until all that was given to the pools of the addon and of Node before is done. */
async function drain(root: string): Promise<void> {
  for (let i = 0; i < 5; i++) {
    await Promise.all(
      Array.from({ length: 16 }, () => openFile(Buffer.from(root), Buffer.from('none'), 'read').catch(() => {}))
    )
    await Promise.all(Array.from({ length: 16 }, () => stat(root)))
  }
}

for (const overwrite of [undefined, 'always'] as const) {
  test(`after an abort nothing is written any more: overwrite ${overwrite}`, async t => {
    const random = createRandom(7)
    for (let round = 0; round < 10; round++) {
      const base = temporaryDirectory(t)
      const to = join(base, 'to')
      if (overwrite !== undefined) await pipe(tree(2), write(to))
      const controller = new AbortController()
      const reason = new Error('enough')
      const last = random.int(100)
      let seen = 0
      async function* source() {
        for (const item of tree(1)) {
          if (seen++ === last) setImmediate().then(() => controller.abort(reason))
          yield item
        }
        yield file('large', Buffer.alloc(20 << 20, 1), { ...own, sizeBytes: 20 << 20 })
        await new Promise(() => {})
      }
      await assert.rejects(
        pipe(source(), write(to, { overwrite }), { signal: controller.signal }),
        error => error === reason
      )
      const found = inodes(to)
      await drain(base)
      assert.equal(inodes(to), found, `round ${round}, aborted at entry ${last}`)
      assert.doesNotMatch(found, /\.ibt-/)
    }
  })
}
