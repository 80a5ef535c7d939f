import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { decodeFrames } from '../../src/codec/decode-frames.js'
import { RACY_MS } from '../../src/constants.js'
import {
  type BackupReport,
  Chain,
  type Codec,
  eraseFiles,
  fullBackup,
  incrementalBackup,
  isEntry,
  type KeepOptions,
  listEntries,
  mergeBackups,
  parseArtifactName,
  pruneBackups,
  type RestoreOptions,
  type RestoreReport,
  type RulesOptions,
  restoreBackup,
  type Store,
  undeleteBackup,
  verifyBackup
} from '../../src/index.js'
import { fromTar } from '../../src/interop/index.js'
import { toStore } from '../../src/places/places.js'
import { memoryStore } from '../../src/stores/index.js'
import { byHandScript } from './by-hand.js'
import { EDITS, Playground } from './playground.js'
import { createRandom, type Random } from './random.js'
import { type Kept, type Snapshot, type SnapshotOptions, snapshotOfState, subset, takeSnapshot } from './snapshot.js'

const execute = promisify(execFile)

/** One thing that happens; the seed decides what it happens to. */
export interface Step {
  readonly kind: keyof typeof EDITS | keyof typeof RUNS | keyof typeof REWRITES
  readonly seed: number
}

/** Runs of the package, and what may happen between them. */
const RUNS = {
  full: (history: History) => history.backUp('full'),
  incremental: (history: History) => history.backUp('incremental'),
  again: async (history: History) => {
    await history.backUp('incremental')
    await history.backUp('incremental')
  },
  restore: (history: History, random: Random) => history.assertRestores(random.pick(history.dates)),
  restoreOver: (history: History, random: Random) => history.assertRestoresOver(random.pick(history.dates)),
  select: (history: History, random: Random) => history.assertSelects(random.pick(history.dates), random),
  rules: (history: History, random: Random) => history.changeRules(random),
  loseCache: (history: History) => history.loseCache(),
  prune: (history: History, random: Random) => history.prune(random),
  undelete: (history: History, random: Random) => history.undelete(random),
  wait: () => setTimeout(RACY_MS + 50)
}

/** What is done to the backups themselves. */
const REWRITES = {
  merge: (history: History, random: Random) => history.merge(random),
  fold: (history: History, random: Random) => history.fold(random),
  erase: (history: History, random: Random) => history.erase(random),
  forget: (history: History, random: Random) => history.forget(random)
}

export const KINDS = [...Object.keys(EDITS), ...Object.keys(RUNS)] as readonly Step['kind'][]
export const REWRITING_KINDS = Object.keys(REWRITES) as readonly Step['kind'][]

/** Names that patterns of a rule may have: they mean the same as a pattern and as a name. */
const RULED = ['a', 'a.b', 'b', 'c', 'a-'] as const

interface Rule {
  readonly name: string
  readonly directoryOnly: boolean
  readonly anchored: boolean
}

/** A tree, what happens to it, and the backups of it, each with a snapshot of what it has to bring back. */
export class History {
  readonly #ground: Playground
  readonly #store: Store | string
  #cache: Store | string
  readonly #snapshots = new Map<string, Snapshot>()
  readonly #removed = new Map<string, Snapshot>()
  /** By date, the paths without their contents. */
  readonly #erased = new Map<string, Set<string>>()
  /** Which paths a content has ever had, by its digest. */
  readonly #pathsOf = new Map<string, Set<string>>()
  #rules: readonly Rule[] = []
  #restores = 0

  constructor(
    readonly base: string,
    readonly codec: Codec | undefined,
    readonly isOnDisk: boolean
  ) {
    mkdirSync(join(base, 'source'))
    this.#ground = new Playground(join(base, 'source'))
    this.#store = isOnDisk ? join(base, 'store') : memoryStore()
    this.#cache = isOnDisk ? join(base, 'cache') : memoryStore()
  }

  get dates(): readonly string[] {
    return [...this.#snapshots.keys()]
  }

  get #options() {
    return { store: this.#store, cache: this.#cache, key: 'key', codec: this.codec }
  }

  async take({ kind, seed }: Step): Promise<void> {
    const random = createRandom(seed)
    if (kind in EDITS) EDITS[kind as keyof typeof EDITS](this.#ground, random)
    else await { ...RUNS, ...REWRITES }[kind as keyof typeof RUNS](this, random)
  }

  /** The ends of the history and some dates between come back, the last one by hand, too; a verification finds nothing. */
  async end(): Promise<void> {
    const dates = this.dates
    const some = [0, dates.length >> 1, dates.length - 2, dates.length - 1].map(i => dates[Math.max(0, i)]!)
    for (const date of new Set(some)) await this.assertRestores(date)
    if (this.isOnDisk) await this.#assertRestoresByHand(this.dates.at(-1)!)
    const { problems } = await verifyBackup('key', { ...this.#options, readData: true })
    assert.deepEqual(problems, [])
  }

  #snapshot(root: string, isWanted?: SnapshotOptions['isWanted']): Snapshot {
    return takeSnapshot(root, { ...(isWanted && { isWanted }), xattrs: this.#ground.hasXattrs })
  }

  async backUp(kind: 'full' | 'incremental'): Promise<void> {
    const parent = kind === 'full' ? undefined : this.dates.at(-1)!
    const before = parent === undefined ? undefined : this.#snapshots.get(parent)
    const run = kind === 'full' ? fullBackup : incrementalBackup
    const report = await run(join(this.base, 'source'), {
      ...this.#options,
      rules: this.#ruleOptions,
      allowShrink: true
    })
    const now = this.#snapshot(join(this.base, 'source'), (path, stat) => !this.#excludes(path, stat.isDirectory()))
    this.#snapshots.set(report.date, now)
    assertSame(await snapshotOfState(listEntries('key', { ...this.#options, at: report.date })), now, 'The state')
    for (const [path, { sha256 }] of now) if (sha256 !== undefined) this.#addPath(sha256, path)
    assertCounts(report, before, now, this.#erasedOf(parent))
  }

  #addPath(sha256: string, path: string): void {
    this.#pathsOf.set(sha256, (this.#pathsOf.get(sha256) ?? new Set()).add(path))
  }

  #erasedOf(date: string | undefined): ReadonlySet<string> {
    return this.#erased.get(date ?? '') ?? new Set()
  }

  /** Some contents go from all dates, and from the archives. */
  async erase(random: Random): Promise<void> {
    const files = [...this.#snapshots.values()].flatMap(snapshot =>
      [...snapshot].filter(([, { type }]) => type === 'file')
    )
    const paths = files.map(([path]) => path).filter(path => /^[\w./-]+$/.test(path))
    const chosen = random.chance(0.3) ? random.pick(RULED) : paths.length > 0 ? `/${random.pick(paths)}` : '/a'
    const matches = (path: string) =>
      chosen.startsWith('/') ? `/${path}/`.startsWith(`${chosen}/`) : path.split('/').includes(chosen)
    const { plan, left } = await eraseFiles('key', [chosen], this.#options)
    assert.deepEqual(left, [])
    for (const { date } of plan.purged) this.#removed.delete(date)
    const gone = new Set<string>()
    for (const [date, snapshot] of this.#snapshots) {
      const erased = new Set(this.#erased.get(date))
      for (const [path, { type, sha256 }] of snapshot) {
        if (type !== 'file' || !matches(path)) continue
        erased.add(path)
        if ([...this.#pathsOf.get(sha256!)!].every(matches)) gone.add(sha256!)
      }
      if (erased.size === 0) continue
      this.#erased.set(date, erased)
      this.#snapshots.set(
        date,
        subset(snapshot, path => snapshot.get(path)!.type !== 'file' || !matches(path))
      )
    }
    await this.#assertGone(gone)
  }

  async #assertGone(digests: ReadonlySet<string>): Promise<void> {
    const chain = await Chain.open(toStore(this.#store), 'key')
    for (const { name, kind, codec } of chain.artifacts) {
      if (kind !== 'full' && kind !== 'created') continue
      for await (const entry of fromTar(decodeFrames(chain.store.get(name), codec(), name))) {
        if (!isEntry(entry) || entry.content === undefined) continue
        const hash = createHash('sha256')
        for await (const bytes of entry.content.open()) hash.update(bytes)
        const digest = hash.digest('hex')
        assert.ok(!digests.has(digest), `${name} still has what was erased, as ${entry.path}`)
      }
    }
  }

  async assertRestores(date: string, options: RestoreOptions = {}, isWanted: (path: string) => boolean = () => true) {
    const destination = join(this.base, `restored-${this.#restores++}`)
    await this.#restore(destination, { ...options, at: date })
    const wanted = subset(this.#snapshots.get(date)!, isWanted)
    assertSame(this.#snapshot(destination), wanted, `The restore of ${date}`)
    rmSync(destination, { recursive: true })
  }

  /** Restores over what restores of other dates have left; done again, it writes nothing. */
  async assertRestoresOver(date: string): Promise<void> {
    const destination = join(this.base, 'restored-over')
    const options = { at: date, overwrite: 'always', delete: true } as const
    await this.#restore(destination, options)
    // What is in the place of an erased file stays.
    const erased = [...this.#erasedOf(date)]
    const isWanted = (path: string) => !erased.some(gone => path === gone || path.startsWith(`${gone}/`))
    const found = this.#snapshot(destination, isWanted)
    assertSame(found, this.#snapshots.get(date)!, `The restore of ${date} over another`)
    const { entries, unchangedEntries, deletedEntries } = await this.#restore(destination, options)
    assert.deepEqual([unchangedEntries, deletedEntries], [entries, 0])
  }

  async #restore(destination: string, options: RestoreOptions): Promise<RestoreReport> {
    const report = await restoreBackup('key', destination, { ...this.#options, ...options })
    assert.equal(report.skippedEntries, 0)
    return report
  }

  /** Restores one entry with all below. */
  async assertSelects(date: string, random: Random): Promise<void> {
    const paths = [...this.#snapshots.get(date)!.keys()].filter(path => /^[\x20-\x7e]+$/.test(path) && path !== '.')
    if (paths.length === 0) return
    const chosen = random.pick(paths)
    const isWanted = (path: string) =>
      path === '.' || path === chosen || path.startsWith(`${chosen}/`) || chosen.startsWith(`${path}/`)
    await this.assertRestores(date, { paths: [`/${chosen}`] }, isWanted)
  }

  /** A date becomes a full by itself. */
  async merge(random: Random): Promise<void> {
    const at = random.pick(this.dates)
    await this.#merge(random, { at })
  }

  /** In segments or in one, and interrupted before. Other steps can come before the next attempt. */
  async #merge(random: Random, which: { readonly at?: string; readonly from?: string; readonly to?: string }) {
    const options = { ...this.#options, ...which, segmentBytes: random.pick([1, 3000, 100_000, undefined]) }
    if (random.chance(0.5)) {
      const interruption = new AbortController()
      let left = random.int(40)
      const onProgress = () => {
        if (left-- === 0) interruption.abort(new Error('interrupted'))
      }
      const run = mergeBackups('key', { ...options, onProgress, signal: interruption.signal })
      await run.catch(error => assert.ok(error === interruption.signal.reason || !interruption.signal.aborted, error))
      if (random.chance(0.3)) return
    }
    const { date } = await mergeBackups('key', options)
    assert.equal(date, which.at ?? which.to)
  }

  /** Increments become one; two dates need not be of one chain. */
  async fold(random: Random): Promise<void> {
    const [from, to] = [random.pick(this.dates), random.pick(this.dates)].sort() as [string, string]
    await this.#merge(random, { from, to }).catch(error => {
      const isRefused = from === to ? error instanceof RangeError : error.code === 'IBT_NO_BACKUP'
      if (!isRefused) throw error
    })
  }

  /** Some dates go, and all that no other date needs. The newest stays. */
  async forget(random: Random): Promise<void> {
    if (random.chance(0.5)) {
      const { removed } = await pruneBackups('key', { ...this.#options, keepLast: 1 + random.int(4), graceMs: 0 })
      for (const date of removed) this.#snapshots.delete(date)
      return
    }
    for (const date of this.dates.slice(0, -1)) if (random.chance(0.5)) this.#snapshots.delete(date)
    const chain = await Chain.open(toStore(this.#store), 'key')
    const needed = new Set<string>()
    for (const date of this.dates) for (const { name } of await chain.needs(date)) needed.add(name)
    for (const { name } of chain.artifacts) if (!needed.has(name)) await chain.store.delete(name)
  }

  changeRules(random: Random): void {
    this.#rules = Array.from({ length: random.int(3) }, () => ({
      name: random.pick(RULED),
      directoryOnly: random.chance(0.3),
      anchored: random.chance(0.4)
    }))
  }

  /** What goes is what the plan says, and nothing else; what went may come back. */
  async prune(random: Random): Promise<void> {
    const graceMs = random.pick([0, undefined, undefined])
    const keep = random.pick<KeepOptions>([
      ...[{ keepLast: 1 + random.int(4) }, { keepFull: 1 }, { keepLast: 1, keepFull: 2 }, { keepDaily: 1 }]
    ])
    const before = await this.#names()
    const merge = random.chance(0.3)
    const planned = await pruneBackups('key', { ...this.#options, ...keep, graceMs, dryRun: true })
    assert.deepEqual(await this.#names(), before, 'A dry run')
    const report = await pruneBackups('key', { ...this.#options, ...keep, graceMs, merge })
    const { plan, removed, swept } = report
    if (merge) assert.deepEqual([plan.data, plan.merges], [0, []])
    else assert.deepEqual(plan, planned.plan)
    const rows = plan.backups.map(({ date, action }) => [date, action !== 'keep'] as const)
    assert.deepEqual(
      removed,
      rows.filter(([, goes]) => goes).map(([date]) => date)
    )
    assert.deepEqual(
      rows.map(([date]) => date),
      this.dates
    )
    const after = await this.#names()
    const states = [...before.keys()].filter(name => {
      const parsed = parseArtifactName(name)
      return parsed?.kind === 'state' && removed.includes(parsed.asOf ?? parsed.date)
    })
    const gone = [...before.keys()].filter(name => !after.has(name))
    const deleted = swept!.deleted.map(({ name }) => name).filter(name => before.has(name))
    assert.deepEqual(
      gone,
      [...before.keys()].filter(name => states.includes(name) || deleted.includes(name))
    )
    const come = [...after.keys()].filter(name => name.includes('.removed.') && !before.has(name))
    assert.equal(come.length, graceMs === 0 ? 0 : states.length)
    for (const date of removed) {
      this.#removed.set(date, this.#snapshots.get(date)!)
      this.#snapshots.delete(date)
    }
    if (graceMs === 0) this.#removed.clear()
  }

  async undelete(random: Random): Promise<void> {
    if (this.#removed.size === 0) return
    const at = random.pick([...this.#removed.keys()])
    const { date, also } = await undeleteBackup('key', { ...this.#options, at })
    assert.equal(date, at)
    const back = [at, ...also]
    const all = new Map([...this.#snapshots, ...back.map(date => [date, this.#removed.get(date)!] as const)])
    this.#snapshots.clear()
    for (const date of [...all.keys()].sort()) this.#snapshots.set(date, all.get(date)!)
    for (const date of back) this.#removed.delete(date)
    for (const date of back) await this.assertRestores(date)
  }

  async #names(): Promise<ReadonlyMap<string, number>> {
    const names = new Map<string, number>()
    for await (const { name, sizeBytes } of toStore(this.#store).list('key.')) names.set(name, sizeBytes)
    return names
  }

  loseCache(): void {
    if (typeof this.#cache === 'string') rmSync(this.#cache, { recursive: true, force: true })
    else this.#cache = memoryStore()
  }

  get #ruleOptions(): RulesOptions {
    const exclude = this.#rules.map(
      ({ name, directoryOnly, anchored }) => `${anchored ? '/' : ''}${name}${directoryOnly ? '/' : ''}`
    )
    return { exclude }
  }

  /** Asked for each entry in a directory that is not excluded. */
  #excludes(path: string, isDirectory: boolean): boolean {
    const name = path.slice(path.lastIndexOf('/') + 1)
    return this.#rules.some(
      rule => rule.name === name && (!rule.directoryOnly || isDirectory) && (!rule.anchored || !path.includes('/'))
    )
  }

  async #assertRestoresByHand(date: string): Promise<void> {
    const [script, destination] = [join(this.base, 'restore.sh'), join(this.base, 'by-hand')]
    writeFileSync(script, byHandScript())
    const args = [script, String(this.#store), 'key', destination, date]
    const { stderr } = await execute('bash', args)
    const rest = stderr.replaceAll(/not in the backup: .*? \(unreadable\)\n/gs, '')
    assert.equal(rest, '', `${date} by hand`)
    assertSame(this.#snapshot(destination), this.#snapshots.get(date)!, `${date} by hand`)
    rmSync(destination, { recursive: true })
  }
}

/** Says what differs, not all that does not. */
function assertSame(found: Snapshot, wanted: Snapshot, what: string): void {
  const differences: unknown[] = []
  for (const path of new Set([...found.keys(), ...wanted.keys()])) {
    const pair = { found: found.get(path), wanted: wanted.get(path) }
    if (!isSame(pair.found, pair.wanted)) differences.push({ path, ...pair })
  }
  assert.deepEqual(differences, [], `${what} differs`)
}

function isSame(a: Kept | undefined, b: Kept | undefined): boolean {
  const print = (kept: Kept | undefined) =>
    kept && JSON.stringify(Object.entries({ ...kept, mtimeNs: String(kept.mtimeNs) }).sort())
  return print(a) === print(b)
}

/** The report counts what differs between the snapshots. */
function assertCounts(
  { totals, skippedEntries }: BackupReport,
  before: Snapshot | undefined,
  now: Snapshot,
  erased: ReadonlySet<string>
): void {
  const counts = { created: 0, updated: 0, touched: 0, unchanged: 0, deleted: 0 }
  for (const [path, entry] of now) counts[changeOf(before?.get(path), entry)]++
  for (const path of before?.keys() ?? []) if (!now.has(path)) counts.deleted++
  for (const path of erased) if (!now.has(path)) counts.deleted++
  const { created, updated, touched, unchanged, deleted } = totals
  assert.deepEqual({ created, updated, touched, unchanged, deleted }, counts)
  assert.deepEqual([totals.entries, skippedEntries], [now.size, 0])
}

function changeOf(before: Kept | undefined, now: Kept) {
  if (before?.type !== now.type) return 'created'
  if (before.sha256 !== now.sha256 || before.linkname !== now.linkname) return 'updated'
  return isSame({ ...before, group: '' }, { ...now, group: '' }) ? 'unchanged' : 'touched'
}
