import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CHUNK_BYTES, CHUNKS_AHEAD } from '../../../src/constants.js'
import {
  type BackupReport,
  type Body,
  compose,
  type Entry,
  type IncrementalStages,
  listEntries,
  none,
  type Signed,
  type Stage,
  type StateEntry,
  verifyBackup
} from '../../../src/index.js'
import { createRules } from '../../../src/rules.js'
import { DiskContent } from '../../../src/source/disk.js'
import { pack } from '../../../src/stages/pack.js'
import { walk } from '../../../src/stages/walk.js'
import { NaiveChain } from '../../helpers/chain.js'
import { collect } from '../../helpers/entries.js'
import { assertSameTree, assertTarsList, run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { watchedRules } from '../../helpers/watched-rules.js'
import { temporaryDirectory } from '../../native/tree.js'

const JUDGES = oracle('rsync', 'tar', 'bsdtar', 'mkfifo')

const SIZES = { small: 5000, signed: 50_000, large: 9 << 20 } as const
type Size = keyof typeof SIZES

/** What happens to a file behind the back of its reader. */
const ACTIONS = {
  vanish: path => rmSync(path),
  grow: path => appendFileSync(path, 'more'),
  shrink: path => truncateSync(path, statSync(path).size >> 1),
  empty: path => truncateSync(path, 0),
  rewrite: path => writeFileSync(path, Buffer.alloc(statSync(path).size, 'rewritten')),
  chmod: path => chmodSync(path, 0o600),
  replace(path) {
    writeFileSync(`${path}.new`, 'replaced')
    renameSync(`${path}.new`, path)
  },
  toDirectory(path) {
    rmSync(path)
    mkdirSync(path)
  },
  toLink(path) {
    rmSync(path)
    symlinkSync('/etc/passwd', path)
  },
  toFifo(path) {
    rmSync(path)
    run('mkfifo', [path])
  },
  parentVanishes: path => rmSync(dirname(path), { recursive: true }),
  parentToLink(path) {
    renameSync(dirname(path), `${dirname(path)}.moved`)
    symlinkSync(`${dirname(path)}.moved`, dirname(path))
  },
  parentToFile(path) {
    rmSync(dirname(path), { recursive: true })
    writeFileSync(dirname(path), 'a file')
  }
} satisfies Record<string, (path: string) => void>
type Action = keyof typeof ACTIONS

/**
 * `listed`: between the listing and the opening; `opened`: before the first read; `streaming`: when the first part has
 * been read; `read`: shortly before the second look.
 */
type Moment = 'listed' | 'opened' | 'streaming' | 'read'
type Outcome = 'gone' | 'read' | 'dirty' | 'failed'

const ON_LISTED: Readonly<Record<Action, Outcome>> = {
  ...{ vanish: 'gone', grow: 'read', shrink: 'read', empty: 'read', rewrite: 'read', chmod: 'read', replace: 'read' },
  ...{ toDirectory: 'failed', toLink: 'failed', toFifo: 'failed' },
  ...{ parentVanishes: 'gone', parentToLink: 'failed', parentToFile: 'failed' }
}

/** More than what `sign` reads ahead of the part that it gives. */
const READ_AHEAD_BYTES = (CHUNKS_AHEAD + 2) * CHUNK_BYTES

class Victim {
  readonly directory: string
  readonly path: string

  constructor(
    readonly moment: Moment,
    readonly action: Action,
    readonly size: Size
  ) {
    this.directory = `${moment} ${action} ${size}`
    this.path = `${this.directory}/victim`
  }

  /** A content that changes, or goes, once it is open is what it was, or dirty. */
  get outcome(): Outcome {
    return this.moment === 'listed' ? ON_LISTED[this.action] : 'dirty'
  }

  hurt(chain: NaiveChain): void {
    ACTIONS[this.action](join(chain.source, this.path))
  }
}

const actions = Object.keys(ACTIONS) as Action[]
const VICTIMS = [
  ...actions.flatMap(action => (['small', 'signed'] as const).map(size => new Victim('listed', action, size))),
  ...(['vanish', 'shrink', 'grow', 'toLink'] as const).map(action => new Victim('listed', action, 'large')),
  ...(['vanish', 'shrink', 'rewrite', 'replace'] as const).map(action => new Victim('opened', action, 'large')),
  ...(['grow', 'shrink', 'empty', 'chmod'] as const).map(action => new Victim('streaming', action, 'large')),
  ...(['grow', 'shrink', 'vanish'] as const).map(action => new Victim('read', action, 'large'))
]
const byPath = new Map(VICTIMS.map(victim => [victim.path, victim]))

/** The stages with hands that reach for the files. */
function meddling(chain: NaiveChain, whole: 'full' | 'created'): Partial<IncrementalStages> {
  const meddle: Stage<Entry> = async function* meddleStage(source) {
    for await (const entry of source) {
      const victim = byPath.get(entry.path)
      if (victim?.moment === 'listed') victim.hurt(chain)
      if (victim?.moment !== 'opened') yield entry
      else yield { ...entry, content: new MeddledContent(entry.content as DiskContent, () => victim.hurt(chain)) }
    }
  }
  const tap: Stage<Entry> = async function* tapStage(source) {
    for await (const item of source as AsyncIterable<Signed>) {
      const victim = byPath.get(item.path)
      const isTapped = victim?.moment === 'streaming' || victim?.moment === 'read'
      yield isTapped && item.body ? { ...item, body: tapBody(item.body, victim, chain) } : item
    }
  }
  return {
    filter: meddle,
    pack: compose(tap, pack(whole === 'full' ? { whole } : { whole, delta: 'updated' }))
  }
}

class MeddledContent extends DiskContent {
  constructor(
    content: DiskContent,
    readonly meddle: () => void
  ) {
    super(content.root, content.path)
  }

  override async openFile(signal?: AbortSignal) {
    const file = await super.openFile(signal)
    this.meddle()
    return file
  }
}

function tapBody(body: Body, victim: Victim, chain: NaiveChain): Body {
  async function* parts() {
    let bytes = 0
    let isHurt = false
    for await (const part of body.parts) {
      bytes += part.length
      // The second look comes before the last part of a delta, and may come before those that are read ahead of a whole.
      const isNearEnd = body.form === 'delta' || bytes >= body.sizeBytes! - READ_AHEAD_BYTES
      const isTime = victim.moment === 'streaming' || isNearEnd
      if (isTime && !isHurt) {
        victim.hurt(chain)
        isHurt = true
      }
      yield part
    }
  }
  const { form, sizeBytes } = body
  return { form, sizeBytes, parts: parts(), result: () => body.result() }
}

function makeChain(t: TestContext): NaiveChain {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, codec: none() })
  for (const name of ['a', 'm', 'z']) {
    mkdirSync(join(chain.source, `${name} bystander`))
    writeFileSync(join(chain.source, `${name} bystander`, 'file'), createRandom(1).bytes(20_000))
  }
  return chain
}

/** Half of a large file is noise of its own: its delta is longer than a part and has copies all the same. */
function writeVictims(chain: NaiveChain, seed: number): void {
  for (const { directory, path, size } of VICTIMS) {
    mkdirSync(join(chain.source, directory), { recursive: true })
    const [same, own] = size === 'large' ? [1 << 20, SIZES.large] : [SIZES[size] - 100, 100]
    writeFileSync(join(chain.source, path), Buffer.concat([createRandom(1).bytes(same), createRandom(seed).bytes(own)]))
  }
}

async function judge(chain: NaiveChain, report: BackupReport, before: string | undefined): Promise<void> {
  for (const name of chain.stored('').filter(name => name.includes('.tar'))) {
    assertTarsList(join(chain.storePath, name))
  }
  const options = { store: chain.storePath, cache: false } as const
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  const state = new Map((await collect(listEntries('key', options))).map(entry => [entry.path, entry]))
  const restored = join(chain.base, 'restored')
  const { skippedEntries } = await chain.restore('restored', { cache: false })
  for (const name of ['a', 'm', 'z']) {
    assertSameTree(join(restored, `${name} bystander`), join(chain.source, `${name} bystander`))
  }
  for (const { path, outcome, directory } of VICTIMS) {
    const entry = state.get(path)
    const found = existsSync(join(restored, path)) ? readFileSync(join(restored, path)) : undefined
    const wanted = {
      gone: undefined,
      read: outcome === 'read' ? readFileSync(join(chain.source, path)) : undefined,
      dirty: found,
      failed: before === undefined ? undefined : readFileSync(join(before, path))
    }
    assert.deepEqual(outcomeOf(entry, before !== undefined), outcome, directory)
    assert.ok(found === undefined ? wanted[outcome] === undefined : wanted[outcome]?.equals(found), directory)
    if (outcome === 'dirty') assert.equal(found?.length, entry?.sizeBytes, directory)
  }
  const counts = (outcome: Outcome) => VICTIMS.filter(victim => victim.outcome === outcome).length
  const { unreadable, carried, dirty, deleted } = report.totals
  assert.deepEqual(
    { unreadable, carried, dirty, deleted },
    {
      unreadable: counts('failed'),
      carried: before === undefined ? 0 : counts('failed'),
      dirty: counts('dirty'),
      deleted: before === undefined ? 0 : counts('gone')
    }
  )
  assert.equal(report.skippedEntries, counts('failed') + counts('dirty'))
  assert.equal(skippedEntries, before === undefined ? counts('failed') : 0)
  rmSync(restored, { recursive: true })
}

function outcomeOf(entry: StateEntry | undefined, hasBefore: boolean): Outcome {
  const { type, carried, dirty } = entry ?? {}
  if (type === undefined) return 'gone'
  if (hasBefore ? carried : type === 'unreadable') return 'failed'
  return dirty ? 'dirty' : 'read'
}

/** Becomes of a directory between the listing of its parent and its own. */
const DIRECTORIES: Readonly<Record<string, (path: string) => void>> = {
  'd gone': path => rmSync(path, { recursive: true }),
  'd now a file': path => {
    renameSync(path, `${path}.moved`)
    writeFileSync(path, 'a file')
  },
  'd now a link': path => {
    renameSync(path, `${path}.moved`)
    symlinkSync('/', path)
  }
}

test(
  'a directory that goes before it is listed is deleted; one that becomes something else is kept',
  JUDGES,
  async t => {
    const chain = makeChain(t)
    for (const name of Object.keys(DIRECTORIES)) {
      mkdirSync(join(chain.source, name, 'sub'), { recursive: true })
      writeFileSync(join(chain.source, name, 'sub/file'), 'content')
    }
    const { date: before } = await chain.full()
    for (const name of Object.keys(DIRECTORIES)) writeFileSync(join(chain.source, name, 'sub/file'), 'edited')
    const done = new Set<string>()
    const rules = watchedRules(createRules(), hurt, () => {})
    function hurt(path: string): void {
      if (!done.has(path)) DIRECTORIES[path]?.(join(chain.source, path))
      done.add(path)
    }
    const { totals, skippedEntries } = await chain.incremental({ stages: { walk: walk(chain.source, rules) } })
    assert.deepEqual([totals.deleted, totals.carried, totals.unreadable, skippedEntries], [3, 6, 2, 2])
    await chain.restore('restored', { cache: false })
    assert.equal(existsSync(join(chain.base, 'restored/d gone')), false)
    for (const name of ['d now a file', 'd now a link']) {
      assertSameTree(join(chain.base, 'restored', name), join(chain.copy(before), name))
    }
    await heal(chain, [])
  }
)

/** The next run sees the tree as it is by now. */
async function heal(chain: NaiveChain, victims = VICTIMS): Promise<void> {
  for (const { path, action } of victims) if (action === 'toFifo') rmSync(join(chain.source, path))
  const { date, skippedEntries, totals } = await chain.incremental()
  assert.deepEqual([skippedEntries, totals.carried, totals.dirty, totals.unreadable], [0, 0, 0, 0])
  await chain.assertRestores(date)
}

test('a full of files that change under it has what could be read, and the next run the rest', JUDGES, async t => {
  const chain = makeChain(t)
  writeVictims(chain, 2)
  await judge(chain, await chain.full({ stages: meddling(chain, 'full') }), undefined)
  await heal(chain)
})

test('an increment of new files that change under it has what could be read', JUDGES, async t => {
  const chain = makeChain(t)
  await chain.full()
  writeVictims(chain, 2)
  await judge(chain, await chain.incremental({ stages: meddling(chain, 'created') }), undefined)
  await heal(chain)
})

test('an increment of edited files that change under it keeps what could not be read', JUDGES, async t => {
  const chain = makeChain(t)
  writeVictims(chain, 2)
  const { date } = await chain.full()
  writeVictims(chain, 3)
  await judge(chain, await chain.incremental({ stages: meddling(chain, 'created') }), chain.copy(date))
  await heal(chain)
})
