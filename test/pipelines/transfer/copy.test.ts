import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import {
  copyBackups,
  incrementalBackup,
  listBackups,
  mergeBackups,
  parseArtifactName,
  pruneBackups,
  restoreBackup,
  verifyBackup
} from '../../../src/index.js'
import { acquireLock, directoryStore, memoryStore, wrapStore } from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { NaiveChain } from '../../helpers/chain.js'
import { countingStore } from '../../helpers/counting-store.js'
import { Desk } from '../../helpers/desk.js'
import { code, collect } from '../../helpers/entries.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const random = createRandom(7)

/** A full and incrementals with deltas, new files and deleted ones. */
async function makeChain(t: TestContext, backups = 4): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t))
  const large = random.bytes(300_000)
  for (let i = 0; i < backups; i++) {
    random.bytes(1000).copy(large, i * 20_000)
    writeFileSync(join(chain.source, 'large'), large)
    writeFileSync(join(chain.source, `file ${i}`), random.bytes(5000))
    await (i === 0 ? chain.full() : chain.incremental())
  }
  return chain
}

const datesIn = async (store: Store | string) =>
  (await collect(listBackups('key', { store, cache: false }))).map(({ date }) => date)

async function assertWhole(chain: NaiveChain, store: Store | string, dates: readonly string[]): Promise<void> {
  assert.deepEqual(await datesIn(store), dates)
  for (const at of dates) {
    const { problems } = await verifyBackup('key', { store, cache: false, at, readData: true })
    assert.deepEqual(problems, [], at)
    const out = join(chain.base, `out-${at}`, `${Math.random()}`)
    await restoreBackup('key', out, { store, cache: false, at })
    assertSameTree(out, chain.copy(at), at)
  }
}

test(
  'a copy has every backup, each made like the original, and a second copy has nothing to do',
  oracle('rsync'),
  async t => {
    const chain = await makeChain(t)
    const dates = chain.reports.map(({ date }) => date)
    const to = join(chain.base, 'there')
    const plan = await copyBackups('key', { store: chain.storePath, to, cache: false, dryRun: true })
    assert.deepEqual([plan.dates, plan.artifacts], [dates, chain.stored().length])
    assert.throws(() => readdirSync(to))
    const report = await copyBackups('key', { store: chain.storePath, to, cache: chain.cachePath })
    assert.deepEqual(report, plan)
    assert.deepEqual(readdirSync(to), readdirSync(chain.storePath))
    await assertWhole(chain, to, dates)
    const again = await copyBackups('key', { store: chain.storePath, to, cache: false })
    assert.deepEqual([again.dates, again.artifacts, again.skippedArtifacts], [[], 0, chain.stored().length])
    // It goes on there, with deltas.
    writeFileSync(join(chain.source, 'new'), 'new')
    const { parent, files } = await incrementalBackup(chain.source, { store: to, cache: false, key: 'key' })
    assert.equal(parent, dates.at(-1))
    assert.ok(!files.some(({ kind }) => kind === 'full'))
  }
)

test('what was merged, removed, proven, or is on its way in: only backups are copied', oracle('rsync'), async t => {
  const chain = await makeChain(t, 5)
  const [, second, third, fourth] = chain.reports.map(({ date }) => date)
  const places = { store: chain.storePath, cache: false as const }
  await mergeBackups('key', { ...places, at: third! })
  await pruneBackups('key', { ...places, keepLast: 3 })
  writeFileSync(join(chain.storePath, 'key.proofs.20260101T000000.000Z.0123456789abcdef.json'), '{}')
  writeFileSync(join(chain.storePath, 'key.full.20260101T000000.000Z.v00001.tar.zst'), 'half')
  const dates = await datesIn(chain.storePath)
  assert.ok(dates.includes(third!) && !dates.includes(second!))
  const to = memoryStore()
  await copyBackups('key', { ...places, to })
  await assertWhole(chain, to, dates)
  for await (const { name } of to.list()) assert.ok(parseArtifactName(name) !== undefined, name)
  // Dates that were merged since come as they are now.
  const later = memoryStore()
  await copyBackups('key', { ...places, to: later, at: [fourth!] })
  await assertWhole(
    chain,
    later,
    [...new Set([third!, fourth!])].filter(date => dates.includes(date))
  )
})

test('the other store is a correct one after every put, and a copy that failed goes on where it stopped', async t => {
  const chain = await makeChain(t, 3)
  const dates = chain.reports.map(({ date }) => date)
  const there = memoryStore()
  let puts = 0
  const failing = wrapStore(there, {
    async put(name, source, options) {
      if (parseArtifactName(name) !== undefined && ++puts % 5 === 0) throw new Error('The disk is full')
      await there.put(name, source, options)
      const seen = await datesIn(there)
      assert.deepEqual(seen, dates.slice(0, seen.length))
      for (const at of seen) {
        assert.deepEqual((await verifyBackup('key', { store: there, cache: false, at, readData: true })).problems, [])
      }
    }
  })
  const { store, given } = countingStore(directoryStore(chain.storePath))
  for (let tries = 0; (await datesIn(there)).length < dates.length; tries++) {
    assert.ok(tries < 20)
    await copyBackups('key', { store, to: failing, cache: false }).catch(error => assert.match(error.message, /full/))
  }
  const archives = [...given].filter(([name]) => !name.includes('.state.'))
  assert.ok(
    archives.every(([, { requests }]) => requests <= 3),
    JSON.stringify(archives)
  )
})

test('other bytes under a name are refused before anything is copied, and nothing is replaced', async t => {
  const chain = await makeChain(t)
  const names = chain.stored()
  const [oldest, , third] = chain.reports.map(({ date }) => date)
  const options = { store: chain.storePath, cache: false as const }
  const change = async (name: string, bytes: Uint8Array, checksum = false) => {
    const to = memoryStore()
    await copyBackups('key', { ...options, to, at: third! })
    await to.put(name, [bytes])
    const before = await collect(to.list())
    await assert.rejects(copyBackups('key', { ...options, to, checksum }), code('IBT_NAME_TAKEN'))
    await assert.rejects(copyBackups('key', { ...options, to, checksum, dryRun: true }), code('IBT_NAME_TAKEN'))
    assert.deepEqual(await collect(to.list()), before)
  }
  const flipped = (name: string) => {
    const bytes = readFileSync(join(chain.storePath, name))
    bytes[bytes.length >> 1]! ^= 1
    return bytes
  }
  const state = names.find(name => name.includes(`.state.${third}`))!
  const full = names.find(name => name.includes(`.full.${oldest}`))!
  await change(state, flipped(state))
  await change(full, Buffer.from('shorter'))
  await change(full, flipped(full), true)
})

test('what is damaged or lost in the source is not copied', async t => {
  const chain = await makeChain(t, 2)
  const [name] = chain.stored('created')
  const path = join(chain.storePath, name!)
  const bytes = readFileSync(path)
  bytes[20]! ^= 1
  writeFileSync(path, bytes)
  const to = memoryStore()
  const options = { store: chain.storePath, cache: false as const, to }
  await assert.rejects(copyBackups('key', options), code('IBT_HASH_MISMATCH'))
  assert.deepEqual(await datesIn(to), [chain.reports[0]!.date])
  assert.deepEqual(await collect(to.list('key.created')), [])
  truncateSync(path, 10)
  await assert.rejects(copyBackups('key', options), code('IBT_BASIS_MISSING'))
  await assert.rejects(copyBackups('other', options), code('IBT_NO_BACKUP'))
})

test('a copy waits for whoever holds the lock there, and leaves the lock and its store alone when aborted', async t => {
  const chain = await makeChain(t, 2)
  const to = memoryStore()
  const options = { store: chain.storePath, cache: false as const, to }
  const lock = await acquireLock(to, 'key')
  await assert.rejects(copyBackups('key', options), code('IBT_LOCKED'))
  await copyBackups('key', { ...options, dryRun: true })
  await lock.release()
  const controller = new AbortController()
  const reason = new Error('Enough')
  const onProgress = () => controller.abort(reason)
  await assert.rejects(
    copyBackups('key', { ...options, onProgress, signal: controller.signal }),
    error => error === reason
  )
  assert.deepEqual(await collect(to.list('key.lock')), [])
  assert.deepEqual(await collect(to.list('key.state')), [])
  await assert.rejects(copyBackups('key', { ...options, to: chain.storePath }), RangeError)
  await copyBackups('key', options)
  const upper = memoryStore()
  await importCase(upper)
  await assert.rejects(copyBackups('key', { ...options, to: upper }), code('IBT_NAME_INVALID'))
})

const importCase = (store: Store) => store.put('KEY.state.20260101T000000.000Z.json', [Buffer.from('{}')])

test('copies that are killed at any moment leave a correct store, and end whole', oracle('rsync'), async t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  for (let i = 0; i < 3; i++) {
    for (let j = 0; j < 3; j++) writeFileSync(desk.at(`src/file ${i} ${j}`), random.bytes(3 << 20))
    assert.equal(desk.ibt('backup', 'src').status, 0)
  }
  const names = readdirSync(desk.at('store'))
  for (let i = 0; i < 4; i++) {
    const run = desk.start(['copy', 'src', '--to', 'there'], { stdio: 'ignore' })
    await setTimeout(300 + 80 * i)
    run.child.kill('SIGKILL')
    await run.ended
    const listed = desk.ibt('list', 'src', '--store', 'there', '--no-cache', '--json').stdout
    for (const line of listed.split('\n').filter(Boolean)) {
      const { date } = JSON.parse(line)
      if (date === undefined) continue
      const { status, stderr } = desk.ibt('verify', 'src', '--store', 'there', '--no-cache', '--at', date)
      assert.equal(status, 0, stderr)
    }
  }
  const { status, stdout } = desk.ibt('copy', 'src', '--to', 'there', '--json')
  assert.equal(status, 0)
  const report = JSON.parse(stdout.trim().split('\n').at(-1)!)
  assert.equal(report.artifacts + report.skippedArtifacts, names.length)
  assert.deepEqual(
    readdirSync(desk.at('there')).filter(name => !name.startsWith('.')),
    names
  )
  assert.equal(desk.ibt('verify', 'src', '--store', 'there', '--read-data').status, 0)
  assert.match(
    desk.ibt('copy', 'src', '--to', 'there', '--checksum').stdout,
    /^Copied 0 backups of src\n.*there already/
  )
  writeFileSync(desk.at('there', names[0]!), 'other')
  assert.equal(desk.ibt('copy', 'src', '--to', 'there').status, 5)
  assert.equal(desk.ibt('copy', 'src').status, 2)
})
