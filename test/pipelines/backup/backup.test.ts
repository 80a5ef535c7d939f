import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { formatDate, parseDate } from '../../../src/format/dates.js'
import {
  autoBackup,
  BackupError,
  type BackupOptions,
  type Entry,
  fullBackup,
  type IncrementalStages,
  incrementalBackup,
  listEntries,
  type Progress,
  type Stage,
  type StateEntry
} from '../../../src/index.js'
import { acquireLock, directoryStore, memoryStore, wrapStore } from '../../../src/stores/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { run } from '../../helpers/judges.js'
import { oracle, reachedByNobody } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const RSYNC = oracle('rsync')

function makeChain(t: TestContext, options: BackupOptions<IncrementalStages> = {}): NaiveChain {
  const chain = new NaiveChain(temporaryDirectory(t), options)
  writeFileSync(join(chain.source, 'file'), 'content')
  writeFileSync(join(chain.source, 'signed'), createRandom(7).bytes(50_000))
  mkdirSync(join(chain.source, 'd'))
  writeFileSync(join(chain.source, 'd/below'), 'below')
  return chain
}

/** Changes one block of the file that has a signature. */
function editSigned(chain: NaiveChain): void {
  const bytes = readFileSync(join(chain.source, 'signed'))
  bytes[25_000] = bytes[25_000]! ^ 1
  writeFileSync(join(chain.source, 'signed'), bytes)
}

async function entriesOf(chain: NaiveChain): Promise<Map<string, StateEntry>> {
  const entries = await collect(listEntries('key', { store: chain.storePath, cache: false }))
  return new Map(entries.map(entry => [entry.path, entry]))
}

test('an incremental without a full is refused; a backup of either kind makes the full first', async t => {
  const chain = makeChain(t)
  await assert.rejects(chain.incremental(), code('IBT_NO_BACKUP'))
  assert.deepEqual(chain.stored(), [])
  const kinds = [await autoBackup(chain.source, chain.options), await autoBackup(chain.source, chain.options)]
  assert.deepEqual(
    kinds.map(({ kind }) => kind),
    ['full', 'incremental']
  )
})

test('a report says what is stored and what each artifact is', async t => {
  const chain = makeChain(t)
  const full = await chain.full()
  assert.deepEqual(full.files.map(({ kind }) => kind).sort(), ['full', 'sigvault', 'state'])
  assert.deepEqual(full.files.map(({ name }) => name).sort(), chain.stored())
  assert.equal(
    full.storedBytes,
    full.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  )
  assert.deepEqual([full.parent, full.isStored, full.skippedEntries], [undefined, true, 0])
  const { entries, files, created } = full.totals
  assert.deepEqual([entries, files, created], [5, 3, 5])
  editSigned(chain)
  writeFileSync(join(chain.source, 'new'), 'new')
  rmSync(join(chain.source, 'file'))
  chmodSync(join(chain.source, 'd/below'), 0o600)
  const next = await chain.incremental()
  assert.equal(next.parent, full.date)
  const { updated, touched, deleted, unchanged } = next.totals
  assert.deepEqual([next.totals.created, updated, touched, deleted, unchanged], [1, 1, 2, 1, 1])
  assert.deepEqual(next.files.map(({ kind }) => kind).sort(), ['created', 'sigvault', 'state', 'updated'])
  assert.deepEqual(
    (await chain.incremental()).files.map(({ kind }) => kind),
    ['state']
  )
})

test('another source under the key is refused, and taken where that is allowed', async t => {
  const chain = makeChain(t)
  await chain.full()
  const before = chain.stored()
  const other = join(chain.base, 'other')
  mkdirSync(other)
  writeFileSync(join(other, 'file'), 'other')
  await assert.rejects(incrementalBackup(other, chain.options), code('IBT_SOURCE_MISMATCH'))
  await assert.rejects(fullBackup(other, chain.options), code('IBT_SOURCE_MISMATCH'))
  assert.deepEqual(chain.stored(), before)
  await incrementalBackup(other, { ...chain.options, allowSourceMismatch: true })
  await incrementalBackup(other, chain.options)
  await assert.rejects(incrementalBackup(chain.source, chain.options), code('IBT_SOURCE_MISMATCH'))
})

test('a source id names the source wherever it is', async t => {
  const chain = makeChain(t, { sourceId: 'mine' })
  await chain.full()
  const moved = join(chain.base, 'moved')
  mkdirSync(moved)
  writeFileSync(join(moved, 'file'), 'content')
  await incrementalBackup(moved, chain.options)
  for (const sourceId of ['other', undefined]) {
    await assert.rejects(incrementalBackup(moved, { ...chain.options, sourceId }), code('IBT_SOURCE_MISMATCH'))
  }
})

test('what has not changed is not stored if that is wished', async t => {
  const chain = makeChain(t, { skipUnchanged: true })
  await chain.full()
  const before = chain.stored()
  const same = await chain.incremental()
  assert.deepEqual([same.isStored, same.files, same.totals.unchanged], [false, [], 5])
  assert.deepEqual(chain.stored(), before)
  for (const change of [
    () => editSigned(chain),
    () => chmodSync(chain.source, 0o711),
    () => rmSync(join(chain.source, 'file'))
  ]) {
    change()
    assert.equal((await chain.incremental()).isStored, true)
  }
})

test('a dry run tells all and stores nothing, also beside a lock', async t => {
  const chain = makeChain(t)
  const dry = await chain.full({ dryRun: true })
  assert.deepEqual([dry.isStored, dry.totals.created], [false, 5])
  assert.deepEqual([existsSync(chain.storePath), existsSync(chain.cachePath)], [false, false])
  await chain.full()
  const before = chain.stored()
  const lock = await acquireLock(directoryStore(chain.storePath), 'key')
  editSigned(chain)
  assert.equal((await chain.incremental({ dryRun: true })).totals.updated, 1)
  await lock.release()
  assert.deepEqual(chain.stored(), before)
})

test('store and cache inside the source are left out, and the report says so', RSYNC, async t => {
  const base = temporaryDirectory(t)
  const chain = new NaiveChain(base, {
    store: join(base, 'source/deep/store'),
    cache: join(base, 'source/cache')
  })
  mkdirSync(join(chain.source, 'deep'))
  writeFileSync(join(chain.source, 'deep/file'), 'content')
  const full = await fullBackup(chain.source, chain.options)
  const next = await incrementalBackup(chain.source, chain.options)
  for (const { leftOut, totals } of [full, next]) {
    assert.ok(leftOut.includes('deep/store'), String(leftOut))
    assert.ok(
      leftOut.some(path => path.startsWith('cache/')),
      String(leftOut)
    )
    assert.ok(totals.entries <= 4, String(totals.entries))
  }
  await chain.restore('restored')
  assert.deepEqual(readdirSync(join(base, 'restored/deep')), ['file'])
  await assert.rejects(fullBackup(chain.source, { store: chain.source, cache: false }), RangeError)
})

test('a key that differs from another one only in case is refused', async t => {
  const chain = makeChain(t)
  await chain.full()
  const before = chain.stored()
  await assert.rejects(chain.full({ key: 'KEY' }), code('IBT_NAME_INVALID'))
  for (const key of ['', 'a/b', '.a', 'a.', 'a b', 'x'.repeat(101)]) {
    await assert.rejects(chain.full({ key }), code('IBT_NAME_INVALID'), key)
  }
  assert.deepEqual(chain.stored(), before)
})

test('without a sigvault the next incremental stores whole, and deltas begin anew', RSYNC, async t => {
  const chain = makeChain(t)
  await chain.full()
  for (const path of [chain.artifact('sigvault', ''), chain.cachePath]) rmSync(path, { recursive: true })
  editSigned(chain)
  assert.deepEqual((await chain.incremental()).files.map(({ kind }) => kind).sort(), ['created', 'sigvault', 'state'])
  editSigned(chain)
  assert.deepEqual((await chain.incremental()).files.map(({ kind }) => kind).sort(), ['sigvault', 'state', 'updated'])
  for (const { date } of chain.reports) await chain.assertRestores(date)
})

test('a lock that is held stops a run; one of a process that is gone does not', async t => {
  const chain = makeChain(t)
  const store = directoryStore(chain.storePath)
  const lock = await acquireLock(store, 'key')
  await assert.rejects(chain.full(), code('IBT_LOCKED'))
  assert.deepEqual(chain.stored(), ['key.lock'])
  await lock.release()
  const { pid } = spawnSync('true')
  const holder = { pid, host: hostname(), startedNs: '1700000000000000000', token: 'a'.repeat(32) }
  await store.put('key.lock', [Buffer.from(JSON.stringify(holder))])
  await chain.full()
  assert.deepEqual(chain.stored('lock'), [])
})

test('the next run removes what a crash has left, and nothing else', async t => {
  const chain = makeChain(t)
  const { date } = await chain.full()
  const kept = chain.stored()
  const later = formatDate(parseDate(date) + 1)
  const leftovers = [`key.created.${later}.tar.zst`, `key.sigvault.${later}.tar.zst`]
  const temporary = `.key.state.${later}.json.zst.0123456789abcdef.tmp`
  const others = [`key2.created.${later}.tar.zst`, 'key.notes', `key.created.${later}.tar.zst.bak1-`, '.hidden']
  for (const name of [...leftovers, temporary, ...others]) writeFileSync(join(chain.storePath, name), 'left')
  await assert.rejects(chain.incremental({ stages: { walk: failing() } }), /The walk fails/)
  assert.deepEqual(chain.stored(), [...kept, ...others].sort())
  await chain.incremental()
  for (const name of others) assert.ok(existsSync(join(chain.storePath, name)), name)
})

test('a list that lacks a state, or that the store contradicts, removes nothing', async t => {
  const chain = makeChain(t)
  await chain.full()
  editSigned(chain)
  const { date } = await chain.incremental()
  const before = chain.stored()
  const real = directoryStore(chain.storePath)
  const hides = (name: string) => name.includes(`.state.${date}`)
  const store = wrapStore(real, {
    async *list(prefix, options) {
      for await (const stored of real.list(prefix, options)) if (!hides(stored.name)) yield stored
    }
  })
  await assert.rejects(chain.incremental({ store }), code('IBT_STORE_FAILED'))
  const unsure = wrapStore(store, {
    get(name, range, options) {
      if (hides(name)) throw new BackupError('IBT_STORE_FAILED', 'The store is tired')
      return real.get(name, range, options)
    }
  })
  await assert.rejects(chain.incremental({ store: unsure }), /The store is tired/)
  assert.deepEqual(chain.stored(), before)
})

test('what a crash has left and the store retains stays, and the next run goes on', async t => {
  const chain = makeChain(t)
  const { date } = await chain.full()
  const store = directoryStore(chain.storePath)
  const left = `key.created.${formatDate(parseDate(date) + 1)}.tar.zst`
  await store.put(left, [Buffer.from('left')])
  await store.retain!(left, Date.now() + 3_600_000)
  editSigned(chain)
  await chain.incremental()
  assert.ok(existsSync(join(chain.storePath, left)))
})

async function* failing(): AsyncGenerator<Entry> {
  yield { path: '.', type: 'directory', mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n }
  throw new Error('The walk fails')
}

test('a run that fails leaves the chain as it was', RSYNC, async t => {
  const chain = makeChain(t)
  const { date } = await chain.full()
  const before = chain.stored()
  editSigned(chain)
  writeFileSync(join(chain.source, 'large'), createRandom(3).bytes(5_000_000))
  for (const items of [0, 1, 3, 5]) {
    await assert.rejects(chain.incremental({ stages: { filter: failAfter(items) } }), /The stage fails/)
    assert.deepEqual(chain.stored(), before)
  }
  await chain.assertRestores(date)
})

function failAfter(items: number): Stage<Entry> {
  return async function* failStage(source) {
    let left = items
    for await (const item of source) {
      if (left-- === 0) throw new Error('The stage fails')
      yield item
    }
  }
}

/** Backs up as somebody who is not root, for root may read everything. */
const BACKUP_AS_NOBODY = `
  import { incrementalBackup, fullBackup } from ${JSON.stringify(import.meta.resolve('../../../src/index.js'))}
  if (process.geteuid() === 0) { process.setegid(65534); process.seteuid(65534) }
  const [kind, source, store] = process.argv.slice(1)
  const errors = []
  const options = { store, cache: false, key: 'key', onError: error => errors.push([error.code, error.path]) }
  const { skippedEntries, totals } = await (kind === 'full' ? fullBackup : incrementalBackup)(source, options)
  console.log(JSON.stringify({ skippedEntries, totals, errors }))
`

interface NobodysReport {
  readonly skippedEntries: number
  readonly totals: { readonly carried: number; readonly unreadable: number; readonly deleted: number }
  readonly errors: readonly (readonly [string, string])[]
}

function backupAsNobody(chain: NaiveChain, kind: 'full' | 'incremental'): NobodysReport {
  if (process.geteuid?.() === 0) {
    mkdirSync(chain.storePath, { recursive: true })
    for (const path of [chain.storePath, chain.source]) own(path)
    chmodSync(chain.base, 0o755)
  }
  const args = ['--input-type=module', '-e', BACKUP_AS_NOBODY, kind, chain.source, chain.storePath]
  return JSON.parse(run(process.execPath, args).toString()) as NobodysReport
}

function own(path: string): void {
  lchownSync(path, 65534, 65534)
  for (const name of readdirSync(path, { recursive: true })) lchownSync(join(path, String(name)), 65534, 65534)
}

test('what cannot be read is carried over two increments, and taken again when it can be read', {
  ...RSYNC,
  ...reachedByNobody()
}, async t => {
  const chain = makeChain(t)
  const [file, directory] = [join(chain.source, 'file'), join(chain.source, 'd')]
  const first = backupAsNobody(chain, 'full')
  assert.deepEqual([first.skippedEntries, first.errors], [0, []])
  for (const path of [file, directory]) chmodSync(path, 0)
  for (let i = 0; i < 2; i++) {
    const { skippedEntries, totals, errors } = backupAsNobody(chain, 'incremental')
    assert.deepEqual(errors.map(([, path]) => path).sort(), ['d', 'file'])
    assert.deepEqual([skippedEntries, totals.unreadable, totals.deleted], [2, 2, 0])
    const entries = await entriesOf(chain)
    for (const path of ['d', 'd/below', 'file']) assert.equal(entries.get(path)?.carried, true, path)
    const destination = `carried-${i}`
    await chain.restore(destination, { cache: false })
    assert.equal(readFileSync(join(chain.base, destination, 'd/below'), 'utf8'), 'below')
    assert.equal(readFileSync(join(chain.base, destination, 'file'), 'utf8'), 'content')
  }
  chmodSync(file, 0o644)
  chmodSync(directory, 0o755)
  writeFileSync(file, 'changed')
  const last = backupAsNobody(chain, 'incremental')
  assert.deepEqual([last.skippedEntries, last.totals.carried], [0, 0])
  await chain.restore('last', { cache: false })
  assert.equal(readFileSync(join(chain.base, 'last/file'), 'utf8'), 'changed')
  assert.equal(readFileSync(join(chain.base, 'last/d/below'), 'utf8'), 'below')
})

test(
  'what a full could not read is reported, has no content, and comes with the next increment',
  reachedByNobody(),
  async t => {
    const chain = makeChain(t)
    const file = join(chain.source, 'file')
    chmodSync(file, 0)
    const { skippedEntries, errors } = backupAsNobody(chain, 'full')
    assert.deepEqual([skippedEntries, errors], [1, [['IBT_READ_FAILED', 'file']]])
    const { skippedEntries: lacking } = await chain.restore('lacking', { cache: false })
    assert.equal(lacking, 1)
    assert.equal(existsSync(join(chain.base, 'lacking/file')), false)
    chmodSync(file, 0o644)
    assert.equal(backupAsNobody(chain, 'incremental').skippedEntries, 0)
    await chain.restore('whole', { cache: false })
    assert.equal(readFileSync(join(chain.base, 'whole/file'), 'utf8'), 'content')
  }
)

test('a large file that is written while it is read is dirty, and is looked at again', RSYNC, async t => {
  const chain = makeChain(t)
  const path = join(chain.source, 'large')
  writeFileSync(path, createRandom(5).bytes(20_000_000))
  const errors: BackupError[] = []
  const dirty = await backupWhileWriting(chain, path, errors)
  assert.deepEqual([dirty.skippedEntries, dirty.totals.dirty], [1, 1])
  assert.deepEqual(
    errors.map(({ code, path }) => [code, path]),
    [['IBT_FILE_CHANGED', 'large']]
  )
  assert.equal((await entriesOf(chain)).get('large')?.dirty, true)
  const next = await chain.incremental()
  assert.deepEqual([next.skippedEntries, next.totals.dirty], [0, 0])
  await chain.assertRestores(next.date)
})

/** Appends to a file whenever something is stored. */
function backupWhileWriting(chain: NaiveChain, path: string, errors: BackupError[]) {
  const store = directoryStore(chain.storePath)
  const noisy = {
    ...{ id: store.id, get: store.get.bind(store), list: store.list.bind(store) },
    ...{ delete: store.delete.bind(store), create: store.create.bind(store) },
    put: (name: string, source: Iterable<Uint8Array> | AsyncIterable<Uint8Array>) =>
      store.put(
        name,
        (async function* () {
          for await (const chunk of source) {
            if (name.includes('.full.')) appendFileSync(path, 'more')
            yield chunk
          }
        })()
      )
  }
  return fullBackup(chain.source, {
    ...chain.options,
    store: noisy,
    onError: error => errors.push(error)
  })
}

test('an observer that throws ends the run', async t => {
  const chain = makeChain(t)
  const failure = new Error('Enough')
  const onProgress = () => {
    throw failure
  }
  await assert.rejects(chain.full({ onProgress }), error => error === failure)
  assert.deepEqual(chain.stored(), [])
})

test('progress grows to the sum, after one or several entries, whether stages are given or not', async t => {
  const chain = makeChain(t)
  for (const stages of [undefined, {}]) {
    const seen: (readonly [string, number])[] = []
    let last = 0
    const { totals } = await chain.full({
      stages,
      onProgress: ({ path, entries, sizeBytes }) => {
        seen.push([path, entries])
        last = sizeBytes
      }
    })
    const every = ['.', 'd', 'd/below', 'file', 'signed'].map((path, i) => [path, i + 1] as const)
    for (const each of seen) assert.deepEqual(each, every[each[1] - 1])
    assert.deepEqual(seen.at(-1), ['signed', totals.entries])
    assert.equal(last, totals.sizeBytes)
  }
})

test('progress does not count what is deleted', async t => {
  const chain = makeChain(t)
  await chain.full()
  rmSync(join(chain.source, 'signed'))
  let last: Partial<Progress> = {}
  const { totals } = await chain.incremental({ onProgress: progress => (last = progress) })
  const { entries, files, sizeBytes } = totals
  assert.deepEqual([last.entries, last.files, last.sizeBytes], [entries, files, sizeBytes])
})

test('an abort during a full rejects with its reason and leaves an empty store, while the loop turns', async t => {
  const chain = makeChain(t)
  for (let i = 0; i < 20; i++) writeFileSync(join(chain.source, `large ${i}`), createRandom(i).bytes(4_000_000))
  const controller = new AbortController()
  const reason = new Error('Enough')
  let turns = 0
  let isOver = false
  const count = async () => {
    for (; !isOver; turns++) await setImmediate()
  }
  const counting = count()
  const onProgress = ({ entries }: { readonly entries: number }) => {
    if (entries >= 8) controller.abort(reason)
  }
  const rejected = chain.full({ signal: controller.signal, onProgress })
  await assert.rejects(rejected, error => error === reason)
  isOver = true
  await counting
  assert.ok(turns > 20, `${turns} turns of the event loop`)
  assert.deepEqual(readdirSync(chain.storePath), [])
})

test('a signal that is aborted already stops a run before it does anything', async t => {
  const chain = makeChain(t)
  const reason = new Error('Enough')
  await assert.rejects(chain.full({ signal: AbortSignal.abort(reason) }), error => error === reason)
  assert.equal(existsSync(chain.storePath), false)
})

test('a chain may lie in any store, and a full may drop the sigvaults before it', RSYNC, async t => {
  const store = memoryStore()
  const chain = makeChain(t, { store, cache: memoryStore() })
  await chain.full()
  editSigned(chain)
  await chain.incremental()
  await chain.full({ deleteOldSigvaults: true })
  editSigned(chain)
  await chain.incremental()
  const names = (await collect(store.list())).map(({ name }) => name)
  assert.equal(names.filter(name => name.includes('.sigvault.')).length, 2)
  for (const { date } of chain.reports) await chain.assertRestores(date)
})

test('entries that the rules exclude are not stored, and count as deleted when they were', RSYNC, async t => {
  const chain = makeChain(t)
  await chain.full()
  const { totals } = await chain.incremental({ rules: { exclude: ['d', 'file'] } })
  assert.equal(totals.deleted, 3)
  await chain.restore('restored')
  assert.deepEqual(readdirSync(join(chain.base, 'restored')), ['signed'])
})
