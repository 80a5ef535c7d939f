import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, lchownSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { BIN, Desk } from '../helpers/desk.js'
import { assertSameTree, copyTree } from '../helpers/judges.js'
import { oracle, reachedByNobody } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

/** Bytes that zstd works on for a while. */
function fill(desk: Desk, files: number, sizeBytes: number): void {
  mkdirSync(desk.at('src/sub'), { recursive: true })
  for (let i = 0; i < files; i++) {
    writeFileSync(
      desk.at('src/sub', `file ${i}`),
      createRandom(i + 1)
        .bytes(sizeBytes / 2)
        .toString('base64')
    )
  }
}

const SLOW = ['--compress', 'zstd:19'] as const

test('a source that cannot be read wholly ends with 3, and says what', reachedByNobody(), t => {
  const desk = new Desk(t)
  fill(desk, 3, 1000)
  chmodSync(desk.at('src/sub/file 1'), 0)
  // Root may read everything.
  const user = process.geteuid?.() === 0 ? 65534 : undefined
  if (user !== undefined) {
    for (const path of ['', ...readdirSync(desk.path, { recursive: true }).map(String)])
      lchownSync(desk.at(path), user, user)
  }
  const ibt = (...args: string[]) =>
    spawnSync(process.execPath, [BIN, ...args], {
      ...{ cwd: desk.path, env: desk.env, encoding: 'utf8' as const },
      ...(user !== undefined && { uid: user, gid: user })
    })
  for (const [command, found] of Object.entries({ full: 'src', incremental: 'src', backup: 'src' })) {
    const { status, stdout, stderr } = ibt(command, found)
    assert.equal(status, 3, stderr)
    assert.match(stderr, /Cannot read sub\/file 1.*EACCES/)
    assert.match(stdout, /1 .*(unreadable|could not be read)/)
  }
  const { status, stdout } = ibt('full', 'src', '--json')
  assert.equal(status, 3)
  const report = JSON.parse(stdout.trim().split('\n').at(-1)!)
  assert.deepEqual([report.event, report.skippedEntries, report.totals.unreadable], ['report', 1, 1])
  const listed = ibt('list', 'src').stdout.trim().split('\n')
  assert.deepEqual(
    listed.map(line => / 1 unreadable$/.test(line)),
    [true, true, true, true]
  )
  assert.equal(JSON.parse(ibt('list', 'src', '--json').stdout.split('\n')[0]!).totals.unreadable, 1)
  assert.equal(ibt('restore', 'src', 'out').status, 3)
  assert.deepEqual(readdirSync(desk.at('out/sub')), ['file 0', 'file 2'])
  chmodSync(desk.at('src/sub/file 1'), 0o644)
  assert.equal(ibt('incremental', 'src').status, 0)
  assert.doesNotMatch(ibt('list', 'src').stdout.trim().split('\n').at(-1)!, /unreadable/)
  assert.equal(ibt('restore', 'src', 'whole').status, 0)
  assert.equal(ibt('verify', 'src', '--read-data').status, 0)
})

test('of two runs on one key the second ends with 5 and leaves the first alone', oracle('rsync'), async t => {
  const desk = new Desk(t)
  fill(desk, 20, 1 << 20)
  const first = desk.start(['full', 'src', ...SLOW])
  await first.until(() => existsSync(desk.at('store/src.lock')))
  // However slow the others are, it is not over before them.
  await first.stop()
  for (const command of ['full', 'incremental', 'backup']) {
    const { status, stderr } = desk.ibt(command, 'src')
    assert.equal(status, 5, stderr)
    assert.match(stderr, new RegExp(`process ${first.child.pid} `))
  }
  first.child.kill('SIGCONT')
  const { status, stderr } = await first.ended
  assert.equal(status, 0, stderr)
  assert.equal(desk.ibt('verify', 'src', '--read-data').status, 0)
  assert.equal(desk.ibt('restore', 'src', 'out').status, 0)
  assertSameTree(desk.at('out'), desk.at('src'))
})

test('two keys are backed up into one store at the same time', async t => {
  const desk = new Desk(t)
  fill(desk, 4, 1 << 20)
  const runs = ['one', 'two', 'three'].map(key => desk.start(['full', 'src', '--key', key]))
  for (const { ended } of runs) assert.equal((await ended).status, 0)
  for (const key of ['one', 'two', 'three']) assert.equal(desk.ibt('verify', key, '--read-data').status, 0)
})

test('an interrupt at any moment ends with 130, and nothing is left half-written', oracle('rsync'), async t => {
  const desk = new Desk(t)
  fill(desk, 6, 1 << 20)
  assert.equal(desk.ibt('full', 'src').status, 0)
  copyTree(desk.at('store'), desk.at('store.before'))
  const before = readdirSync(desk.at('store')).sort()
  writeFileSync(desk.at('src/sub/new'), createRandom(99).bytes(3 << 20))
  const commands: readonly (readonly string[])[] = [
    ['full', 'src', ...SLOW],
    ['incremental', 'src', ...SLOW],
    ['restore', 'src', 'out'],
    ['verify', 'src', '--read-data'],
    ['list']
  ]
  for (const args of commands) {
    for (const delayMs of [60, 120, 180, 240, 320, 500]) {
      const title = `${args.join(' ')} after ${delayMs} ms`
      const run = desk.start(args)
      await setTimeout(delayMs)
      run.child.kill('SIGINT')
      const { status, signal, stderr } = await run.ended
      if (status === 0) restoreStore(desk)
      // Before our handler is there, the signal ends Node itself: 130 for a shell.
      else assert.ok(status === 130 || signal === 'SIGINT', `${title}: ${status} ${stderr}`)
      assert.deepEqual(readdirSync(desk.at('store')).sort(), before, title)
      if (args[0] === 'restore') assertOnlyWhole(desk, title)
    }
  }
})

/** A run was faster than the interrupt. */
function restoreStore(desk: Desk): void {
  rmSync(desk.at('store'), { recursive: true })
  copyTree(desk.at('store.before'), desk.at('store'))
}

/** Every file of a restore that was cut short is whole, and nothing else is there. */
function assertOnlyWhole(desk: Desk, title: string): void {
  if (!existsSync(desk.at('out'))) return
  for (const name of readdirSync(desk.at('out'), { recursive: true }).map(String)) {
    if (name !== 'sub') assert.ok(readFileSync(desk.at('out', name)).equals(readFileSync(desk.at('src', name))), title)
  }
  rmSync(desk.at('out'), { recursive: true })
}
