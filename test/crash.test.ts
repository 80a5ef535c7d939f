import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fullBackup, incrementalBackup, parseArtifactName, restoreBackup, verifyBackup } from '../src/index.js'
import { Desk } from './helpers/desk.js'
import { assertSameTree } from './helpers/judges.js'
import { oracle } from './helpers/oracle.js'
import { createRandom, type Random } from './helpers/random.js'

const SEED = Number(process.env.SEED ?? 1)
const CRASHES = process.env.SLOW === '1' ? 200 : 8

/** Names in store and cache that no run may touch. */
const OTHERS = ['notes', '.notes.tmp', 'other.lock', `.other.full.20260101T000000.000Z.tar.${'0'.repeat(16)}.tmp`]
const ARTIFACT = /^src\.(full|created|updated|sigvault|state)\.\d{8}T\d{6}\.\d{3}Z\.(tar|json)\.zst$/

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/sub'), { recursive: true })
  mkdirSync(desk.at('store'))
  for (const name of OTHERS) writeFileSync(desk.at('store', name), name)
  for (let i = 0; i < 300; i++) writeFileSync(desk.at('src/sub', `small ${i}`), createRandom(i).bytes(2000))
  for (let i = 0; i < 4; i++) writeFileSync(desk.at('src', `large ${i}`), createRandom(i).bytes(9 << 20))
  return desk
}

function edit(desk: Desk, random: Random): void {
  for (let i = 0; i < 4; i++) {
    const path = desk.at('src', `large ${i}`)
    const bytes = readFileSync(path)
    random.bytes(100_000).copy(bytes, random.int(8 << 20))
    writeFileSync(path, bytes)
  }
  for (let i = 0; i < 30; i++) writeFileSync(desk.at('src/sub', `small ${random.int(300)}`), random.bytes(2000))
}

/** Starts a run and kills it at some moment of the time that such a run takes. */
async function crash(desk: Desk, args: readonly string[], random: Random): Promise<void> {
  const run = desk.start(args, { stdio: 'ignore' })
  await setTimeout(50 + random.int(800))
  run.child.kill('SIGKILL')
  await run.ended
}

/** Only what is part of a backup, and what is not ours. */
function assertTidy(desk: Desk, title: string): void {
  const names = readdirSync(desk.at('store'))
  assert.deepEqual(
    names.filter(name => !OTHERS.includes(name) && !ARTIFACT.test(name)),
    [],
    title
  )
  for (const name of OTHERS) assert.equal(readFileSync(desk.at('store', name), 'utf8'), name, title)
  const dates = new Set(names.filter(name => name.includes('.state.')).map(name => name.split('.')[2]))
  for (const name of names.filter(name => ARTIFACT.test(name)))
    assert.ok(dates.has(name.split('.')[2]), `${title}: ${name}`)
  for (const id of readdirSync(desk.at('cache'))) {
    assert.deepEqual(
      readdirSync(desk.at('cache', id)).filter(name => !ARTIFACT.test(name)),
      [],
      title
    )
  }
}

function succeed(desk: Desk, ...args: string[]): void {
  const { status, stderr } = desk.ibt(...args)
  assert.equal(status, 0, `ibt ${args.join(' ')}: ${stderr}`)
}

test(`after a crash at any moment of a backup the next one works, with seed ${SEED}`, oracle('rsync'), async t => {
  const desk = makeDesk(t)
  const random = createRandom(SEED)
  for (let i = 0; i < CRASHES; i++) {
    const title = `crash ${i}`
    const command = random.pick(['full', 'incremental', 'backup'])
    // The first ones find no full yet: they are cut short too.
    await crash(desk, [command, 'src'], random)
    if (desk.ibt('list', 'src').stdout !== '') succeed(desk, 'verify', 'src')
    edit(desk, random)
    if (i % 2 === 0) {
      succeed(desk, 'backup', 'src')
      assertTidy(desk, title)
      succeed(desk, 'verify', 'src', '--read-data')
    }
  }
  succeed(desk, 'backup', 'src')
  succeed(desk, 'restore', 'src', 'out')
  assertSameTree(desk.at('out'), desk.at('src'))
})

test(`after a crash of a restore the next one finishes it, with seed ${SEED}`, oracle('rsync'), async t => {
  const desk = makeDesk(t)
  const random = createRandom(SEED)
  succeed(desk, 'full', 'src')
  edit(desk, random)
  succeed(desk, 'incremental', 'src')
  for (let i = 0; i < CRASHES; i++) {
    const restore = spawn(process.execPath, ['--input-type=module', '-e', RESTORE, desk.path], { stdio: 'inherit' })
    const ended = once(restore, 'exit')
    await setTimeout(50 + random.int(600))
    restore.kill('SIGKILL')
    await ended
    assertWholeFiles(desk)
    if (i % 3 !== 2) continue
    await restoreOver(desk)
    assertSameTree(desk.at('out'), desk.at('src'))
    rmSync(desk.at('out'), { recursive: true })
  }
})

test(`after a crash of a prune the next one goes on, and every kept date is whole, with seed ${SEED}`, async t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  const store = desk.at('store')
  const options = { store, cache: desk.at('cache'), key: 'src' }
  const random = createRandom(SEED)
  for (let i = 0; i < CRASHES / 2; i++) {
    for (let j = 0; j < 12; j++) {
      writeFileSync(desk.at('src', 'file'), random.bytes(30_000))
      await (j % 5 === 0 ? fullBackup : incrementalBackup)(desk.at('src'), options)
    }
    const grace = i % 2 === 0 ? '0' : '1d'
    const names = new Set(readdirSync(store))
    const run = desk.start(['prune', 'src', '--keep-last', '3', '--grace', grace], { stdio: 'ignore' })
    // It is killed when it has removed some: the moment depends on the machine.
    const goneWanted = 1 + random.int(10)
    while (
      run.child.exitCode === null &&
      [...names].filter(name => !existsSync(desk.at('store', name))).length < goneWanted
    )
      await setTimeout(1)
    run.child.kill('SIGKILL')
    await run.ended
    const states = readdirSync(store)
      .filter(name => name.includes('.state.'))
      .sort()
    for (const state of states) {
      const at = parseArtifactName(state)!.date
      const { problems } = await verifyBackup('src', { store, cache: false, at, readData: true })
      assert.deepEqual(problems, [], at)
    }
    assert.ok(states.length >= 3)
    if (i % 3 === 0) await incrementalBackup(desk.at('src'), options)
    succeed(desk, 'prune', 'src', '--keep-last', '3', '--grace', '0')
    const left = readdirSync(store)
    assert.equal(left.filter(name => name.includes('.state.')).length, 3)
    assert.deepEqual(
      left.filter(name => name.includes('.removed.') || name.startsWith('.') || name === 'src.lock'),
      []
    )
    succeed(desk, 'verify', 'src', '--read-data')
  }
})

const RESTORE = `
  import { restoreBackup } from ${JSON.stringify(import.meta.resolve('../src/index.js'))}
  const desk = process.argv[1]
  await restoreBackup('src', desk + '/out', { store: desk + '/store', cache: false, overwrite: 'always' })
`

const restoreOver = (desk: Desk) =>
  restoreBackup('src', desk.at('out'), { store: desk.at('store'), cache: false, overwrite: 'always' })

/** A large file has its name only when it is whole. */
function assertWholeFiles(desk: Desk): void {
  for (let i = 0; i < 4; i++) {
    const path = desk.at('out', `large ${i}`)
    if (existsSync(path)) assert.ok(readFileSync(path).equals(readFileSync(desk.at('src', `large ${i}`))))
  }
}

test('what crashes in the take-over of a lock have left is removed by the next run', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  mkdirSync(desk.at('store'))
  const holder = { pid: spawnSync('true').pid, host: hostname(), startedNs: '1', token: 'a'.repeat(32) }
  const names = [
    'src.lock',
    `src.lock.${'a'.repeat(16)}`,
    `.src.lock.${'b'.repeat(16)}.tmp`,
    `src.lock.${'c'.repeat(16)}`
  ]
  for (const name of names) writeFileSync(desk.at('store', name), JSON.stringify(holder))
  succeed(desk, 'full', 'src')
  assert.deepEqual(
    readdirSync(desk.at('store')).filter(name => !ARTIFACT.test(name)),
    []
  )
})
