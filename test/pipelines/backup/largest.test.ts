import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LARGEST_FILES, PART_BYTES, SIGNED_MIN_BYTES } from '../../../src/constants.js'
import {
  type BackupReport,
  type Entry,
  listBackups,
  type Signed,
  type Stage,
  type StoredReason
} from '../../../src/index.js'
import { passAll } from '../../../src/pipelines/choose-stages.js'
import { sign } from '../../../src/stages/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { Desk } from '../../helpers/desk.js'
import { oracle } from '../../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../../native/tree.js'

class Tree extends NaiveChain {
  constructor(t: TestContext) {
    super(temporaryDirectory(t))
  }
  at(path: string): string {
    return join(this.source, path)
  }
  write(path: string, sizeBytes: number, seed = 0): void {
    writeFileSync(this.at(path), randomBytes(sizeBytes, seed))
  }
}

function reasons({ largest }: BackupReport): Record<string, StoredReason> {
  return Object.fromEntries(largest.map(({ path, reason }) => [path, reason]))
}

test('a report lists the files with the most new bytes, the largest first, and what else is stored is less', async t => {
  const tree = new Tree(t)
  // In one batch, by themselves and streamed.
  for (let i = 0; i < 30; i++) tree.write(`small ${i}`, 100 + i)
  for (let i = 0; i < 6; i++) tree.write(`signed ${i}`, 50_000 + i, i)
  tree.write('large', PART_BYTES + 5)
  const { largest, totals } = await tree.full()
  assert.equal(largest.length, LARGEST_FILES)
  assert.deepEqual(
    largest.map(({ path, storedBytes }) => [path, storedBytes]),
    [
      ['large', PART_BYTES + 5],
      ...[5, 4, 3, 2, 1, 0].map(i => [`signed ${i}`, 50_000 + i]),
      ...[29, 28, 27].map(i => [`small ${i}`, 100 + i])
    ]
  )
  assert.ok(largest.every(({ change, reason }) => change === 'created' && reason === 'full'))
  assert.equal(totals.files, 37)

  appendFileSync(tree.at('large'), 'a few')
  rmSync(tree.at('signed 0'))
  tree.write('small 3', 200)
  const next = await tree.incremental()
  assert.deepEqual(reasons(next), { large: 'delta', 'small 3': 'too-small' })
  const [delta, small] = next.largest
  assert.deepEqual([delta!.sizeBytes, small!.storedBytes], [PART_BYTES + 10, 200])
  assert.ok(delta!.storedBytes > 200 && delta!.storedBytes < 10_000, `${delta!.storedBytes} bytes`)
})

test('a report says of each file why it was stored as it was', async t => {
  const tree = new Tree(t)
  const size = SIGNED_MIN_BYTES * 2
  const names = ['appended', 'replaced', 'half', 'shrunk']
  for (const [i, name] of names.entries()) tree.write(name, size, i)
  tree.write('grown', SIGNED_MIN_BYTES - 1)
  tree.write('large replaced', PART_BYTES + 1, 1)
  mkdirSync(tree.at('retyped'))
  await tree.full()

  appendFileSync(tree.at('appended'), 'x')
  tree.write('replaced', size, 70)
  writeFileSync(tree.at('half'), Buffer.concat([randomBytes(size, 2).subarray(0, size / 8), randomBytes(size, 71)]))
  tree.write('shrunk', 100, 72)
  tree.write('grown', size, 73)
  tree.write('large replaced', PART_BYTES + 1, 74)
  rmSync(tree.at('retyped'), { recursive: true })
  tree.write('retyped', size, 75)
  tree.write('new small', 300)
  tree.write('new', size, 76)
  assert.deepEqual(reasons(await tree.incremental()), {
    'large replaced': 'nothing-in-common',
    half: 'delta-too-large',
    grown: 'no-signature',
    new: 'new',
    replaced: 'nothing-in-common',
    retyped: 'retyped',
    'new small': 'new',
    shrunk: 'too-small',
    appended: 'delta'
  })
})

test('a report says where a chain of deltas ended, and where a signature was gone', async t => {
  const tree = new Tree(t)
  const kept = randomBytes(20_000, 90)
  tree.write('file', 40_000)
  tree.write('streamed', PART_BYTES + 1, 1)
  writeFileSync(tree.at('shrinks'), Buffer.concat([kept, randomBytes(40_000, 91)]))
  await tree.full()
  const append = (bytes: number) => {
    for (const name of ['file', 'streamed']) appendFileSync(tree.at(name), randomBytes(bytes, bytes))
  }
  append(10)
  writeFileSync(tree.at('shrinks'), Buffer.concat([kept, randomBytes(40_000, 92)]))
  assert.deepEqual(reasons(await tree.incremental()), { shrinks: 'delta', file: 'delta', streamed: 'delta' })
  append(11)
  writeFileSync(tree.at('shrinks'), kept)
  const ended = reasons(await tree.incremental({ stages: { sign: sign({ chainDeltas: 1 }) } }))
  assert.deepEqual(ended, { streamed: 'chain-too-long', file: 'chain-too-long', shrinks: 'chain-too-long' })
  for (const name of tree.stored('sigvault')) rmSync(join(tree.storePath, name))
  rmSync(tree.cachePath, { recursive: true })
  append(12)
  assert.deepEqual(reasons(await tree.incremental()), { streamed: 'signature-lost', file: 'signature-lost' })
})

test('deltas end where they have as many bytes as what is left of the content', async t => {
  const tree = new Tree(t)
  const kept = randomBytes(20_000, 90)
  for (const rest of [40_000, 40_001, 0]) {
    writeFileSync(tree.at('file'), Buffer.concat([kept, randomBytes(rest, rest)]))
    await (tree.reports.length === 0 ? tree.full() : tree.incremental())
  }
  assert.deepEqual(tree.reports.map(reasons), [{ file: 'full' }, { file: 'delta' }, { file: 'chain-too-large' }])
})

test('a signature that is damaged is lost, too', async t => {
  const tree = new Tree(t)
  tree.write('file', 40_000)
  await tree.full()
  rmSync(tree.cachePath, { recursive: true })
  writeFileSync(tree.artifact('sigvault', ''), Buffer.alloc(500, 7))
  appendFileSync(tree.at('file'), 'x')
  assert.deepEqual(reasons(await tree.incremental()), { file: 'signature-lost' })
})

test('a pipeline without sign compares no contents', async t => {
  const tree = new Tree(t)
  tree.write('file', 40_000)
  await tree.full()
  appendFileSync(tree.at('file'), 'x')
  const report = await tree.incremental({ stages: { sign: passAll as Stage<Entry, Entry> as Stage<Entry, Signed> } })
  assert.deepEqual(reasons(report), { file: 'not-compared' })
})

test('the report and the state of a full say why it is one', async t => {
  const tree = new Tree(t)
  tree.write('file', 40_000)
  assert.equal((await tree.full()).fullReason, 'first')
  assert.equal((await tree.incremental()).fullReason, undefined)
  const asked = await tree.full()
  assert.equal(asked.fullReason, 'asked')
  rmSync(tree.artifact('full', asked.date))
  assert.equal((await tree.full()).fullReason, 'parent-damaged')
  const last = tree.artifact('state', tree.reports.at(-1)!.date)
  for (const path of [last, tree.cachePath]) rmSync(path, { recursive: true })
  writeFileSync(last, 'nothing')
  assert.equal((await tree.full()).fullReason, 'parent-damaged')
  const kinds = []
  for await (const { kind } of listBackups('key', { store: tree.storePath, cache: false })) kinds.push(kind)
  assert.equal(kinds.length, 5)
})

test(
  'jq finds why a backup was a full in its state, and the largest files in the JSON of a run',
  oracle('jq', 'zstd'),
  t => {
    const desk = new Desk(t)
    mkdirSync(desk.at('photos'))
    writeFileSync(desk.at('photos', 'one'), Buffer.alloc(50_000, 'x'))
    writeFileSync(desk.at('photos', 'two'), Buffer.alloc(200, 'x'))
    const jq = (filter: string, input: string) =>
      execFileSync('jq', ['-rc', filter], { input, encoding: 'utf8' }).trim()
    const { stdout } = desk.ibt('backup', 'photos', '--json')
    const wanted = 'select(.event == "report") | [.fullReason, (.largest[] | .path, .storedBytes, .reason)]'
    assert.equal(jq(wanted, stdout), '["first","one",50000,"full","two",200,"full"]')
    const state = execFileSync('bash', ['-c', 'zstd -dc store/*.state.*'], { cwd: desk.path, encoding: 'utf8' })
    assert.equal(jq('.fullReason', state), 'first')

    appendFileSync(desk.at('photos', 'one'), 'y')
    const text = desk.ibt('incremental', 'photos').stdout
    assert.match(text, /one \(delta\)/)
    assert.doesNotMatch(text, /Full because/)
    assert.match(desk.ibt('full', 'photos').stdout, /Full because: a full was asked for\n/)
  }
)
