import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { formatDate } from '../../src/format/dates.js'
import { encodeStateClosing, encodeStateHeader } from '../../src/format/state-encode.js'
import {
  type Artifact,
  artifactName,
  BackupError,
  type ChainLink,
  cleanBackups,
  fullBackup,
  incrementalBackup,
  listBackups,
  listRemoved,
  mergeBackups,
  type PruneOptions,
  parseArtifactName,
  pruneBackups,
  restoreBackup,
  retainBackups,
  type Store,
  type Totals,
  undeleteBackup,
  verifyBackup,
  zstd
} from '../../src/index.js'
import { memoryStore, wrapStore } from '../../src/stores/index.js'
import { code, collect } from '../helpers/entries.js'
import { interrupted } from '../helpers/interrupted.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const DAY = 24 * 3_600_000
const START = Date.UTC(2026, 0, 1, 12)

/** A file that grows by a line a day, and one day's file each; the clock is the test's. */
class Days {
  readonly base: string
  readonly store: Store
  readonly dates: string[] = []
  #days = 0

  constructor(
    readonly t: TestContext,
    store: Store = memoryStore()
  ) {
    this.store = store
    this.base = temporaryDirectory(t)
    t.mock.timers.enable({ apis: ['Date'], now: START })
    mkdirSync(join(this.base, 'source'))
    writeFileSync(join(this.base, 'source/grows'), createRandom(1).bytes(60_000))
  }

  get options() {
    return { store: this.store, cache: false as const, key: 'key' }
  }

  wait(ms: number): void {
    this.t.mock.timers.setTime(Date.now() + ms)
  }

  /** One backup a day, a full on the first and then after so many. */
  async backUp(count: number, fullEvery = Infinity): Promise<void> {
    for (let i = 0; i < count; i++) {
      const day = this.#days++
      writeFileSync(
        join(this.base, 'source/grows'),
        `${createRandom(1).bytes(60_000).toString('latin1')}${day}`,
        'latin1'
      )
      writeFileSync(join(this.base, 'source', `day ${day}`), String(day))
      const run = day % (fullEvery === Infinity ? 1_000_000 : fullEvery) === 0 ? fullBackup : incrementalBackup
      this.dates.push((await run(join(this.base, 'source'), this.options)).date)
      this.wait(DAY)
    }
  }

  prune(options: PruneOptions = { keepLast: 1 }, store = this.store) {
    return pruneBackups('key', { ...this.options, timeZone: 'UTC', ...options, store })
  }

  async live(): Promise<string[]> {
    return (await collect(listBackups('key', this.options))).map(({ date }) => date)
  }

  async names(): Promise<string[]> {
    return (await collect(this.store.list())).map(({ name }) => name)
  }

  async bytes(): Promise<ReadonlyMap<string, string>> {
    const found = new Map<string, string>()
    for (const name of await this.names()) {
      found.set(name, Buffer.concat(await collect(this.store.get(name))).toString('latin1'))
    }
    return found
  }

  /** Every live date restores, with the files of its day. */
  async assertRestores(): Promise<void> {
    for (const at of await this.live()) {
      const destination = join(this.base, `restored ${at} ${Math.random()}`)
      await restoreBackup('key', destination, { ...this.options, at })
      const day = this.dates.indexOf(at)
      assert.equal(readFileSync(join(destination, `day ${day}`), 'utf8'), String(day))
      assert.ok(readFileSync(join(destination, 'grows'), 'latin1').endsWith(String(day)))
    }
  }
}

/** Says nothing of megabytes of bytes that differ. */
function same(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, bytes]) => b.get(name) === bytes)
}

test('days and weeks are kept, what they need stays as data, and the plan says so before', async t => {
  const days = new Days(t)
  await days.backUp(20, 10)
  const plans: unknown[] = []
  const { plan, removed } = await days.prune({ keepDaily: 2, keepWeekly: 2, onPlan: plan => plans.push(plan) })
  assert.deepEqual(plans, [plan])
  const kept = plan.backups.filter(({ action }) => action === 'keep')
  assert.deepEqual(
    kept.map(({ date, reasons }) => [date.slice(4, 8), reasons]),
    [
      ['0118', ['weekly 2']],
      ['0119', ['daily 2']],
      ['0120', ['newest', 'daily 1', 'weekly 1']]
    ]
  )
  // The second full and what is between it and the Sunday.
  const data = plan.backups.filter(({ action }) => action === 'data').map(({ date }) => date.slice(4, 8))
  assert.deepEqual(data, ['0111', '0112', '0113', '0114', '0115', '0116', '0117'])
  assert.match(plan.backups[10]!.reasons[0]!, /^needed by 20260118T\S+ to 20260120/)
  assert.ok(plan.isCostly)
  assert.deepEqual(removed, days.dates.slice(0, 17))
  assert.deepEqual(await days.live(), days.dates.slice(17))
  await days.assertRestores()
  assert.deepEqual((await verifyBackup('key', { ...days.options, readData: true })).problems, [])
  await days.backUp(1)
  await days.assertRestores()
})

test('after merges nothing stays but what was asked for, and the chain goes on', async t => {
  const days = new Days(t)
  await days.backUp(20)
  const keep = { keepDaily: 2, keepWeekly: 2, graceMs: 0 }
  const dry = await days.prune({ ...keep, merge: true, dryRun: true })
  assert.deepEqual(
    dry.plan.merges.map(({ at, from, to }) => [at, from, to].map(date => date?.slice(4, 8))),
    [['0118', undefined, undefined]]
  )
  const plans: number[] = []
  const { plan, removed } = await days.prune({ ...keep, merge: true, onPlan: ({ data }) => plans.push(data) })
  assert.deepEqual([plan.data, plans], [0, [17, 0]])
  assert.deepEqual(removed, days.dates.slice(0, 17))
  const dates = (await days.names()).map(name => parseArtifactName(name)!).map(({ date, asOf = date }) => asOf)
  assert.deepEqual([...new Set(dates)].sort(), days.dates.slice(17))
  await days.assertRestores()
  await days.backUp(6)
  await days.prune({ keepDaily: 1, keepWeekly: 2, graceMs: 0, merge: true })
  await days.assertRestores()
  // The 18th, to which the first prune has merged, has had its time.
  assert.deepEqual(await days.live(), [days.dates[24], days.dates[25]])
  assert.deepEqual((await verifyBackup('key', { ...days.options, readData: true })).problems, [])
})

test('every night a backup, a prune and a merge: what was merged one night does not stay for ever', async t => {
  const days = new Days(t)
  const keep = { keepDaily: 3, keepWeekly: 2, keepMonthly: 2, merge: true, graceMs: 2 * DAY }
  for (let night = 0; night < 40; night++) {
    await days.backUp(1)
    const { plan } = await days.prune(keep)
    const byRule = plan.backups.filter(({ action, reasons }) => action === 'keep' && !/^needed/.test(reasons[0]!))
    assert.deepEqual(
      await days.live(),
      byRule.map(({ date }) => date),
      `night ${night}`
    )
  }
  assert.deepEqual(
    (await days.live()).map(date => date.slice(4, 8)),
    ['0131', '0207', '0208', '0209']
  )
  await days.assertRestores()
  assert.deepEqual((await verifyBackup('key', { ...days.options, readData: true })).problems, [])
  // Archives of what still can come back, no more.
  assert.ok((await days.names()).length < 25, (await days.names()).join('\n'))
})

test('what was removed comes back byte for byte until its time is over, then its archives go', async t => {
  const days = new Days(t)
  await days.backUp(6, 3)
  const before = await days.bytes()
  await days.prune({ keepLast: 2, keepSigvaults: true })
  assert.deepEqual(await days.live(), days.dates.slice(4))
  assert.deepEqual(
    (await listRemoved('key', days.options)).map(({ date }) => date),
    days.dates.slice(0, 4)
  )
  for (const at of days.dates.slice(0, 4)) await undeleteBackup('key', { ...days.options, at })
  assert.ok(same(await days.bytes(), before))
  await days.assertRestores()

  await days.prune({ keepLast: 2 })
  days.wait(6 * DAY)
  const early = await cleanBackups('key', days.options)
  assert.deepEqual([early.deleted, early.waiting.length], [[], 4])
  days.wait(DAY)
  const late = await cleanBackups('key', days.options)
  assert.deepEqual(late.expired, days.dates.slice(0, 4))
  assert.equal(late.deleted.filter(({ name }) => name.includes('.removed.')).length, 4)
  await days.assertRestores()
  await assert.rejects(undeleteBackup('key', { ...days.options, at: days.dates[0]! }), code('IBT_NO_BACKUP'))
  assert.deepEqual((await cleanBackups('key', { ...days.options, graceMs: 0 })).deleted, [])
})

test('a removed merged date comes back as it was, and with each date that cannot be read without it', async t => {
  const days = new Days(t)
  await days.backUp(6, 3)
  const [, merged, last] = days.dates
  await mergeBackups('key', { ...days.options, at: merged! })
  await days.prune({ keepLast: 3 })
  assert.deepEqual(await days.live(), days.dates.slice(3))
  const early = await undeleteBackup('key', { ...days.options, at: last! })
  assert.deepEqual(early, { key: 'key', date: last, also: [merged] })
  assert.deepEqual(await days.live(), days.dates.slice(1))
  await days.assertRestores()
  await days.prune({ keepLast: 3 })
  assert.deepEqual(await undeleteBackup('key', { ...days.options, at: merged! }), {
    key: 'key',
    date: merged,
    also: []
  })
  await days.assertRestores()
  await days.prune({ keepLast: 3, graceMs: 0 })
  assert.deepEqual(await listRemoved('key', days.options), [])
})

test('a removed backup that has lost an archive does not come back', async t => {
  const days = new Days(t)
  await days.backUp(4, 2)
  await days.prune({ keepLast: 2 })
  await days.store.delete((await days.names()).find(name => name.includes(`.full.${days.dates[0]}`))!)
  await assert.rejects(undeleteBackup('key', { ...days.options, at: days.dates[1]! }), code('IBT_BASIS_MISSING'))
  assert.deepEqual(await days.live(), days.dates.slice(2))
})

test('a state that is to be kept and cannot be read makes prune and clean refuse; one that goes does not', async t => {
  const days = new Days(t)
  await days.backUp(4, 2)
  const name = (await days.names()).find(name => name.includes(`.state.${days.dates[0]}`))!
  const whole = Buffer.concat(await collect(days.store.get(name)))
  await days.store.put(name, [whole.subarray(0, whole.length >> 1)])
  const before = await days.bytes()
  await assert.rejects(days.prune({ keepLast: 4 }), error => (error as BackupError).message.includes(days.dates[0]!))
  await assert.rejects(cleanBackups('key', { ...days.options, graceMs: 0 }), BackupError)
  assert.ok(same(await days.bytes(), before))
  const { swept } = await days.prune({ keepLast: 1 })
  assert.ok(swept!.left.every(({ reason }) => reason.includes('cannot be read')))
  assert.deepEqual(await days.live(), days.dates.slice(3))
  await days.assertRestores()
  await days.prune({ keepLast: 1, graceMs: 0 })
  assert.equal((await days.names()).length, 5)
  await days.assertRestores()
})

test('a state of a later version, or of an unknown codec, is left with all that it may need', async t => {
  const days = new Days(t)
  await days.backUp(4, 2)
  const state = (await days.names()).find(name => name.includes(`.state.${days.dates[0]}`))!
  const codec = zstd()
  const text = Buffer.concat(await collect(codec.decodeAll(days.store.get(state), state))).toString()
  const later = text.replace('"version":1', '"version":2')
  await days.store.delete(state)
  await days.store.put(state.replace('.zst', ''), [Buffer.from(later)])
  const version = await days.bytes()
  await assert.rejects(days.prune({ keepLast: 1 }), code('IBT_STATE_VERSION'))
  assert.ok(same(await days.bytes(), version))
  await days.store.delete(state.replace('.zst', ''))
  await days.store.put(state.replace('.zst', '.rot13'), [Buffer.from(text)])
  await assert.rejects(days.prune({ keepLast: 1 }), code('IBT_CODEC_UNKNOWN'))
})

test('a list that fails, is empty, is cut off or lacks a state removes nothing', async t => {
  const days = new Days(t)
  await days.backUp(5, 2)
  await days.prune({ keepLast: 4 })
  const before = await days.bytes()
  const lists: Readonly<
    Record<string, (found: readonly { name: string; sizeBytes: number }[], prefix: string) => typeof found>
  > = {
    fails: () => {
      throw new BackupError('IBT_STORE_FAILED', 'No answer')
    },
    'is empty': () => [],
    'is empty at second': (found, prefix) => (prefix === 'key.' ? found : []),
    'is cut off': (found, prefix) => (prefix === 'key.' ? found.slice(0, -4) : found),
    'has no removed one': (found, prefix) =>
      prefix === 'key.' ? found.filter(({ name }) => !name.includes('removed')) : found,
    'lacks a state': (found, prefix) =>
      prefix === 'key.' ? found.filter(({ name }) => !name.includes(`.state.${days.dates[2]}`)) : found
  }
  for (const [title, change] of Object.entries(lists)) {
    const store = wrapStore(days.store, {
      async *list(prefix = '') {
        const found = await collect(days.store.list(prefix))
        yield* prefix.endsWith('.lock') ? found : change(found, prefix)
      }
    })
    await assert.rejects(days.prune({ keepLast: 1, graceMs: 0 }, store), BackupError, title)
    await assert.rejects(cleanBackups('key', { ...days.options, store, graceMs: 0 }), BackupError, title)
    assert.ok(same(await days.bytes(), before), title)
  }
})

test('a kept backup that has lost an archive makes prune refuse, unless it may', async t => {
  const days = new Days(t)
  await days.backUp(4, 2)
  await days.store.delete((await days.names()).find(name => name.includes(`.full.${days.dates[0]}`))!)
  const before = await days.bytes()
  await assert.rejects(days.prune({ keepLast: 3 }), code('IBT_BASIS_MISSING'))
  assert.ok(same(await days.bytes(), before))
  const { removed } = await days.prune({ keepLast: 3, allowMissing: true })
  assert.deepEqual(removed, days.dates.slice(0, 1))
})

test('what is not of a backup is left: other names, copies, unknown codecs, and artifacts without a state that are young', async t => {
  const days = new Days(t)
  await days.backUp(4, 2)
  const full = (await days.names()).find(name => name.includes(`.full.${days.dates[0]}`))!
  const others = [
    ...['notes', 'key.notes', `${full}.sha256`, full.replace('.zst', ''), `key2.full.${days.dates[0]}.tar.zst`],
    ...[`key.created.20200101T000000.000Z.tar.rot13`, `key.created.20200101T000000.001Z.tar`]
  ]
  for (const name of others) await days.store.put(name, [Buffer.from(name)])
  const young = `key.created.${days.dates.at(-1)!.replace('.000Z', '.001Z')}.tar.zst`
  const old = 'key.created.20200101T000000.002Z.tar.zst'
  for (const name of [young, old]) await days.store.put(name, [Buffer.from('x')])
  const { swept } = await days.prune({ keepLast: 2, graceMs: 2 * DAY })
  assert.deepEqual(
    swept!.deleted.map(({ name }) => name).filter(name => !name.includes('sigvault')),
    [old]
  )
  assert.ok(swept!.left.some(({ name }) => name === young))
  days.wait(2 * DAY)
  await days.prune({ keepLast: 2, graceMs: 2 * DAY })
  await cleanBackups('key', { ...days.options, graceMs: 0 })
  const names = await days.names()
  for (const name of others) assert.ok(names.includes(name), name)
  assert.ok(!names.includes(young) && !names.includes(full))
})

test('signatures that the newest backup does not name go, and the next increment is still a delta', async t => {
  const days = new Days(t)
  await days.backUp(6, 3)
  const sigvaults = async () => (await days.names()).filter(name => name.includes('.sigvault.')).length
  const all = await sigvaults()
  await days.prune({ keepLast: 6, keepSigvaults: true })
  assert.equal(await sigvaults(), all)
  const { plan } = await days.prune({ keepLast: 6 })
  assert.equal(plan.sigvaults.length, all - 1)
  assert.equal(await sigvaults(), 1)
  for (const at of days.dates) {
    assert.deepEqual((await verifyBackup('key', { ...days.options, at, readData: true })).problems, [])
  }
  await days.backUp(1)
  assert.ok((await days.names()).some(name => name.includes(`.updated.${days.dates.at(-1)}`)))
  await days.assertRestores()
})

test('while one run holds the key, others are refused', async t => {
  const days = new Days(t)
  await days.backUp(3)
  let refusals = 0
  const refused = async () => {
    await assert.rejects(days.prune(), code('IBT_LOCKED'))
    refusals++
  }
  await days.prune({ keepLast: 1 }, interrupted(days.store, refused))
  assert.equal(refusals, 1)
  assert.deepEqual(await days.live(), days.dates.slice(2))
})

test('an abort ends a prune with its reason, and the next one goes on', async t => {
  const days = new Days(t)
  await days.backUp(6, 3)
  const controller = new AbortController()
  const reason = new Error('Enough')
  const store = wrapStore(days.store, {
    delete(name, options) {
      if (name.includes('.state.')) controller.abort(reason)
      return days.store.delete(name, options)
    }
  })
  const pruning = days.prune({ keepLast: 1, graceMs: 0, signal: controller.signal }, store)
  await assert.rejects(pruning, error => error === reason)
  await days.assertRestores()
  await days.prune({ keepLast: 1, graceMs: 0 })
  assert.deepEqual(await days.live(), days.dates.slice(5))
  await days.assertRestores()
})

test('locked backups stay with all that they need, until their time', async t => {
  const days = new Days(t)
  await days.backUp(6, 3)
  const locked = await retainBackups('key', { ...days.options, until: '30d', at: days.dates[1]! })
  assert.deepEqual(locked.dates, [days.dates[1]])
  assert.equal(locked.artifacts.filter(({ name }) => name.includes('.state.')).length, 1)
  assert.ok(locked.artifacts.every(({ name }) => !name.includes('sigvault') && !name.includes(days.dates[2]!)))
  const { plan, removed } = await days.prune({ keepLast: 1, graceMs: 0 })
  assert.match(plan.backups[1]!.reasons[0]!, /^locked until 2026/)
  assert.deepEqual(removed, [days.dates[0], ...days.dates.slice(2, 5)])
  assert.deepEqual(await days.live(), [days.dates[1], days.dates[5]])
  await days.assertRestores()
  const extended = await retainBackups('key', { ...days.options, until: '60d', extend: true })
  assert.deepEqual([extended.dates, extended.artifacts.length], [[days.dates[1]], locked.artifacts.length])
  days.wait(40 * DAY)
  assert.deepEqual((await days.prune()).removed, [])
  days.wait(21 * DAY)
  assert.deepEqual((await days.prune({ keepLast: 1, graceMs: 0 })).removed, [days.dates[1]])
  await days.assertRestores()
})

test('a store that locks without a word in its list is believed when it refuses', async t => {
  const days = new Days(t)
  await days.backUp(4, 2)
  const silent = wrapStore(days.store, {
    async *list(prefix) {
      for await (const { name, sizeBytes } of days.store.list(prefix)) yield { name, sizeBytes }
    }
  })
  await retainBackups('key', { ...days.options, store: silent, until: '30d', at: days.dates[1]! })
  const { locked, removed, swept } = await days.prune({ keepLast: 1, graceMs: 0 }, silent)
  assert.deepEqual([locked, removed], [[days.dates[1]], [days.dates[0], days.dates[2]]])
  assert.equal(swept!.deleted.filter(({ name }) => name.includes(days.dates[0]!) && name.includes('.full.')).length, 0)
  assert.ok((await days.names()).every(name => !name.includes('.removed.')))
  await days.assertRestores()
})

test('what to lock is said in one way, and of a time to come', async t => {
  const days = new Days(t)
  await days.backUp(2)
  const lock = (options: object) => retainBackups('key', { ...days.options, until: '1d', ...options })
  for (const options of [
    { until: '2020-01-01' },
    { until: 'x' },
    { at: days.dates[0], keepLast: 1 },
    { extend: true, keepLast: 1 }
  ]) {
    await assert.rejects(lock(options), RangeError)
  }
  await assert.rejects(lock({ extend: true }), code('IBT_NO_BACKUP'))
  await assert.rejects(lock({ store: wrapStore(days.store, { retain: undefined }) }), TypeError)
  assert.equal((await lock({ dryRun: true })).dates.length, 2)
  assert.ok((await collect(days.store.list())).every(({ retainedUntilMs }) => retainedUntilMs === undefined))
  assert.deepEqual((await lock({ keepLast: 1 })).dates, [days.dates[1]])
})

test('a store that fails at any call leaves every kept date whole, and the next prune goes on', async t => {
  const days = new Days(t)
  await days.backUp(6, 3)
  const saved = await days.bytes()
  for (let fails = 1, calls = 0; fails <= calls || fails === 1; fails++) {
    for (const answers of [false, true]) {
      for (const name of await days.names()) await days.store.delete(name)
      for (const [name, bytes] of saved) await days.store.put(name, [Buffer.from(bytes, 'latin1')])
      calls = 0
      const store = failing(days.store, fails, answers, () => calls++)
      const title = `call ${fails} fails${answers ? ' after it was done' : ''}`
      const outcome = await days.prune({ keepLast: 2, graceMs: fails % 2 === 0 ? 0 : DAY }, store).then(
        () => 'done',
        () => 'failed'
      )
      if (outcome === 'done') continue
      const live = await days.live()
      assert.deepEqual(days.dates.slice(4), live.slice(-2), title)
      for (const at of live) {
        assert.deepEqual((await verifyBackup('key', { ...days.options, at, readData: true })).problems, [], title)
      }
      await days.store.delete('key.lock')
      await days.prune({ keepLast: 2, graceMs: 0 })
      assert.deepEqual(await days.live(), days.dates.slice(4), title)
      assert.deepEqual((await cleanBackups('key', { ...days.options, graceMs: 0 })).deleted, [], title)
      for (const at of days.dates.slice(4)) {
        assert.deepEqual((await verifyBackup('key', { ...days.options, at, readData: true })).problems, [], title)
      }
    }
  }
})

/** A store of which one call fails, before it is done or after. */
function failing(store: Store, fails: number, answers: boolean, count: () => number): Store {
  const broken = new BackupError('IBT_STORE_FAILED', 'The store fails')
  const call = async <T>(done: () => Promise<T>): Promise<T> => {
    const isFailing = count() + 1 === fails
    if (isFailing && !answers) throw broken
    const result = await done()
    if (isFailing) throw broken
    return result
  }
  return wrapStore(store, {
    put: (...args) => call(() => store.put(...args)),
    delete: (...args) => call(() => store.delete(...args)),
    create: (...args) => call(() => store.create!(...args)),
    async *get(...args) {
      yield* await call(() => collect(store.get(...args)))
    },
    async *list(...args) {
      yield* await call(() => collect(store.list(...args)))
    }
  })
}

/** The names and the ends of the states of a backup a day, a full every so often: what a prune reads. */
async function storeOfStates(count: number, fullEvery: number): Promise<Store> {
  const store = memoryStore()
  let [chain, artifacts]: [ChainLink[], Artifact[]] = [[], []]
  for (let day = 0; day < count; day++) {
    const date = formatDate(START + day * DAY)
    const kind = day % fullEvery === 0 ? 'full' : 'incremental'
    if (kind === 'full') [chain, artifacts] = [[], []]
    chain.push({ date })
    for (const stored of kind === 'full'
      ? (['full', 'sigvault'] as const)
      : (['created', 'updated', 'sigvault'] as const)) {
      const name = artifactName({ key: 'key', date }, stored, '')
      artifacts.push({ name, kind: stored, date, sizeBytes: 100, sha256: '0'.repeat(64) })
      await store.put(name, [Buffer.alloc(100)])
    }
    const header = { key: 'key', kind, date, startedNs: 0n, root: '/', host: 'host', chain } as const
    const text = `${encodeStateHeader(header)}\n${encodeStateClosing({ totals: TOTALS, artifacts })}\n`
    await store.put(artifactName({ key: 'key', date }, 'state', ''), [Buffer.from(text)])
  }
  return store
}

const COUNTS = ['entries', 'files', 'sizeBytes', 'created', 'updated', 'touched', 'deleted', 'unchanged']
const TOTALS = Object.fromEntries(
  [...COUNTS, 'unreadable', 'carried', 'dirty'].map(name => [name, 0])
) as unknown as Totals

test('400 days are planned and pruned from both ends of the states, in seconds', async t => {
  for (const fullEvery of [30, 400]) {
    const stored = await storeOfStates(400, fullEvery)
    const started = process.cpuUsage()
    const keep = { keepDaily: 7, keepWeekly: 4, keepMonthly: 12, timeZone: 'UTC' }
    const { plan, removed } = await pruneBackups('key', { store: stored, cache: false, ...keep })
    const ms = process.cpuUsage(started).user / 1000
    t.diagnostic(`${removed.length} of 400 removed in ${ms} ms of a processor`)
    assert.equal(plan.keeps + removed.length, 400)
    assert.ok(plan.keeps <= 23, `${plan.keeps} kept`)
    // In one chain, what is kept last needs all before it.
    assert.equal(plan.data > 370, fullEvery === 400)
    assert.ok(plan.isCostly)
    assert.ok(ms < 20_000, `${ms} ms`)
  }
})
