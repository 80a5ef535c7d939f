import assert from 'node:assert/strict'
import { appendFileSync, chmodSync, lchownSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { RACY_MS } from '../../../src/constants.js'
import { type BackupOptions, type BackupReport, type IncrementalStages, listEntries } from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code, collect } from '../../helpers/entries.js'
import { copyTree, run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { Tree } from '../../helpers/tree.js'
import { temporaryDirectory } from '../../native/tree.js'

const TOOLS = oracle('rsync', 'touch', 'cp')
const IS_ROOT = process.geteuid?.() === 0
type Options = BackupOptions<IncrementalStages>

/** After this the times of a file prove something. */
const settle = () => setTimeout(RACY_MS + 100)

/** Sets the times of a file to those of another. */
const copyTimes = (from: string, to: string) => run('touch', ['-r', from, to])

class Source {
  readonly chain: NaiveChain
  readonly tree: Tree

  constructor(t: TestContext) {
    this.chain = new NaiveChain(temporaryDirectory(t))
    this.tree = new Tree(this.chain.source, 1)
    mkdirSync(this.at('d'))
    for (const name of ['small', 'd/small']) this.tree.file(name, 'content')
    this.tree.file('signed', 50_000)
  }

  at(name: string): string {
    return join(this.chain.source, name)
  }

  /** A file of the same name, size and times that is no part of the source. */
  twin(name: string): string {
    const path = join(this.chain.base, 'twin')
    run('cp', ['-p', this.at(name), path])
    writeFileSync(
      path,
      createRandom(5)
        .bytes(statSync(path).size)
        .map(byte => byte | 1)
    )
    copyTimes(this.at(name), path)
    return path
  }

  /** What an increment says; its date comes back as the source is. */
  async incremental(options: Options = {}): Promise<BackupReport> {
    const report = await this.chain.incremental(options)
    await this.chain.assertRestores(report.date)
    return report
  }
}

/** What happens to a file: none of it is told by its size. */
const EDITS: Readonly<Record<string, (source: Source, name: string) => void>> = {
  'an edit of the same size': ({ tree }, name) => tree.splice(name, 3, 2, 2),
  'an edit of the same size with its mtime set back': (source, name) => {
    const twin = source.twin(name)
    source.tree.splice(name, 3, 2, 2)
    copyTimes(twin, source.at(name))
  },
  'a file of the same size and mtime copied over it': (source, name) =>
    run('cp', ['-p', source.twin(name), source.at(name)]),
  'a file of the same size and mtime moved over it': (source, name) => renameSync(source.twin(name), source.at(name)),
  'an older file of the same size': (source, name) => {
    const twin = source.twin(name)
    run('touch', ['-d', '@1000000000', twin])
    rmSync(source.at(name))
    run('cp', ['-p', twin, source.at(name)])
  },
  'a time before 1970 and another content': (source, name) => {
    source.tree.splice(name, 0, 1, 1)
    source.tree.touch(name, '@-5.000000001')
  }
}

// Side by side, because they wait.
describe('no change of a content is overlooked, whatever its times say', { ...TOOLS, concurrency: true }, () => {
  for (const [title, edit] of Object.entries(EDITS)) {
    for (const name of ['small', 'signed']) {
      test(`${title} (${name})`, async t => {
        const source = new Source(t)
        await settle()
        await source.chain.full()
        edit(source, name)
        const { totals, movedFiles } = await source.incremental()
        assert.deepEqual([totals.updated, totals.created, movedFiles], [1, 0, 0])
        await settle()
        assert.equal((await source.incremental()).totals.updated, 0)
      })
    }
  }
})

/** A source whose full read it while its files were young, however busy the machine is. */
async function readYoung(t: TestContext, options: Options): Promise<{ source: Source; twin: string }> {
  for (;;) {
    const source = new Source(t)
    const twin = source.twin('small')
    await source.chain.full(options)
    if (Date.now() - statSync(source.at('small')).mtimeMs < RACY_MS) return { source, twin }
  }
}

test('an edit in the same moment is found by its racy flag, where no time tells of it', TOOLS, async t => {
  const believed = { detection: { ctime: false, inode: false } }
  const { source, twin } = await readYoung(t, believed)
  const edit = () => {
    source.tree.splice('small', 3, 2, 2)
    copyTimes(twin, source.at('small'))
  }
  edit()
  assert.equal((await source.incremental(believed)).totals.updated, 1)
  await settle()
  // It was looked at so late that its times prove something.
  await source.incremental(believed)
  edit()
  assert.equal((await source.chain.incremental(believed)).totals.updated, 0)
  assert.equal((await source.incremental({ detection: { ctime: false, checksum: true } })).totals.updated, 1)
})

test('with sizes out of account the state keeps the size of the content that it has', TOOLS, async t => {
  const source = new Source(t)
  await settle()
  const { date } = await source.chain.full()
  const twin = source.twin('small')
  appendFileSync(source.at('small'), 'more')
  copyTimes(twin, source.at('small'))
  const { totals } = await source.chain.incremental({ detection: { size: false, ctime: false } })
  assert.deepEqual([totals.updated, totals.unchanged], [0, 5])
  await source.chain.restore('out')
  run('rsync', ['-naHc', `${source.chain.copy(date)}/`, `${source.chain.base}/out/`])
  assert.equal(statSync(join(source.chain.base, 'out/small')).size, 'content'.length)
  assert.equal((await source.incremental()).totals.updated, 1)
})

async function changeTimes({ chain }: Source): Promise<Map<string, unknown>> {
  const entries = await collect(listEntries('key', { store: chain.storePath, cache: false }))
  return new Map(
    entries.filter(({ type }) => type === 'file').map(({ path, ctimeNs, ino }) => [path, `${ctimeNs} ${ino}`])
  )
}

test('a copied source is read once and unchanged, which is said once', TOOLS, async t => {
  const source = new Source(t)
  await settle()
  await source.chain.full()
  const before = await changeTimes(source)
  const copy = async () => {
    renameSync(source.chain.source, `${source.chain.base}/before`)
    copyTree(`${source.chain.base}/before`, source.chain.source)
    rmSync(`${source.chain.base}/before`, { recursive: true })
    await settle()
  }
  await copy()
  const { totals, movedFiles, files } = await source.incremental()
  assert.deepEqual([totals.unchanged, totals.updated, totals.touched, movedFiles], [5, 0, 0, 3])
  assert.deepEqual(
    files.map(({ kind }) => kind),
    ['state']
  )
  const after = await changeTimes(source)
  for (const [path, facts] of before) assert.notEqual(after.get(path), facts)
  assert.equal((await source.incremental()).movedFiles, 0)
  await copy()
  assert.equal((await source.incremental({ detection: { ctime: false, inode: false } })).movedFiles, 0)
  assert.notDeepEqual(await changeTimes(source), after)
})

const TOUCHES: Readonly<Record<string, (source: Source) => void>> = {
  'a mode': source => chmodSync(source.at('signed'), 0o640),
  'the mode of a directory': source => chmodSync(source.at('d'), 0o700),
  'a time': source => source.tree.touch('signed', '@5.000000007'),
  'the time of a directory': source => source.tree.touch('d', '@-7.1'),
  ...(IS_ROOT && {
    'an owner': source => lchownSync(source.at('signed'), 4_294_967_294, 4_294_967_293),
    'the owner of a directory': source => lchownSync(source.at('d'), 7, 8)
  })
}

for (const [what, touch] of Object.entries(TOUCHES)) {
  test(`where ${what} alone changes, nothing but the state is stored`, TOOLS, async t => {
    const source = new Source(t)
    await source.chain.full()
    touch(source)
    const { totals, files } = await source.incremental()
    assert.deepEqual([totals.touched, totals.unchanged, totals.updated + totals.created], [1, 4, 0])
    assert.deepEqual(
      files.map(({ kind }) => kind),
      ['state']
    )
  })
}

test('a source that is suddenly all but empty is refused, and nothing is stored', TOOLS, async t => {
  const source = new Source(t)
  const { chain } = source
  for (let i = 0; i < 200; i++) source.tree.file(`d/${i}`, '')
  await chain.full()
  const before = chain.stored()
  renameSync(chain.source, `${chain.base}/unmounted`)
  mkdirSync(chain.source)
  const refused = async (options: Options = {}) => {
    await assert.rejects(chain.incremental(options), code('IBT_SOURCE_SHRUNK'))
    await assert.rejects(chain.full(options), code('IBT_SOURCE_SHRUNK'))
    assert.deepEqual(chain.stored(), before)
  }
  await refused()
  await refused({ dryRun: true })
  await refused({ skipUnchanged: true })
  source.tree.file('left', 'one of two hundred')
  await refused()
  for (const name of ['second', 'third']) source.tree.file(name)
  assert.equal((await source.incremental()).totals.entries, 4)
  for (const name of ['left', 'second', 'third']) source.tree.remove(name)
  await assert.rejects(chain.incremental(), code('IBT_SOURCE_SHRUNK'))
  assert.equal((await source.incremental({ allowShrink: true })).totals.deleted, 3)
  assert.equal((await source.incremental()).totals.entries, 1, 'what was empty before may stay so')
})

test('what becomes excluded is deleted, and comes back when it is included again', TOOLS, async t => {
  const { chain, tree } = new Source(t)
  tree.file('d/x.o', 30_000)
  tree.directory('d/cache/below')
  tree.file('d/cache/CACHEDIR.TAG', 'Signature: 8a477f597d28d172789f06886806bc55')
  tree.file('d/cache/below/x', 20_000)
  const totals = async (rules: Options['rules'] = {}) => {
    const report = await chain.incremental({ rules })
    return [report.totals.created, report.totals.deleted, report.totals.updated, report.skippedEntries]
  }
  await chain.full()
  assert.deepEqual(await totals({ exclude: ['*.o'] }), [0, 1, 0, 0])
  assert.deepEqual(await totals({ excludeCaches: true }), [1, 2, 0, 0])
  assert.deepEqual(await totals({ files: ['d/small', 'gone'] }), [0, 5, 0, 1])
  assert.deepEqual(await totals({ excludeLargerThanBytes: 25_000 }), [5, 0, 0, 0])
  assert.deepEqual(await totals({ excludeIfPresent: ['below'] }), [2, 2, 0, 0])
  assert.deepEqual(await totals(), [2, 0, 0, 0])
  await chain.assertRestores(chain.reports[0]!.date)
  await chain.assertRestores(chain.reports.at(-1)!.date)
})
