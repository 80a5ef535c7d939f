import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, linkSync, mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { LARGEST_FILES, PART_BYTES } from '../../src/constants.js'
import { mergeBackups, planBackup, planRestore, type StoredFile, whyBackup } from '../../src/index.js'
import { directoryStore } from '../../src/stores/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { countingStore } from '../helpers/counting-store.js'
import { Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

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

/** From states alone, two reasons cannot be told apart. */
function asTold({ reason, ...file }: StoredFile): StoredFile {
  const isSame = reason === 'nothing-in-common' && file.sizeBytes <= PART_BYTES
  return { ...file, reason: isSame ? 'delta-too-large' : reason }
}

test('states tell later what the report said', async t => {
  const tree = new Tree(t)
  for (let i = 0; i < 15; i++) tree.write(`file ${i}`, 30_000 + i, i)
  tree.write('small', 500)
  tree.write('grown', 600)
  tree.write('large', PART_BYTES + 1, 50)
  mkdirSync(tree.at('retyped'))
  linkSync(tree.at('file 1'), tree.at('linked'))
  await tree.full()
  for (let i = 0; i < 4; i++) appendFileSync(tree.at(`file ${i}`), randomBytes(100 * i + 1, i))
  tree.write('file 5', 30_000, 70)
  tree.write('small', 501, 71)
  tree.write('grown', 40_000, 72)
  tree.write('large', PART_BYTES + 1, 73)
  rmSync(tree.at('retyped'), { recursive: true })
  tree.write('retyped', 20_000, 74)
  tree.write('new', 700, 75)
  await tree.incremental()
  for (const report of tree.reports) {
    const { store, given } = countingStore(directoryStore(tree.storePath))
    const why = await whyBackup('key', { store, cache: false, at: report.date })
    assert.deepEqual(why.largest, report.largest.map(asTold))
    assert.deepEqual([why.kind, why.fullReason, why.parent], [report.kind, report.fullReason, report.parent])
    assert.equal(why.storedBytes, report.storedBytes)
    assert.ok(
      [...given.keys()].every(name => name.includes('.state.')),
      `${[...given.keys()]}`
    )
    assert.equal(why.largest.length, LARGEST_FILES)
    assert.ok(why.newFiles >= LARGEST_FILES)
  }
})

test('of a sparse file, only its data count', async t => {
  const tree = new Tree(t)
  for (const name of ['a', 'z']) {
    tree.write(name, 10_000)
    truncateSync(tree.at(name), 50_000_000)
  }
  tree.write('b', 300_000)
  const { largest, date } = await tree.full()
  const why = await whyBackup('key', { store: tree.storePath, cache: false, at: date })
  const real = new Map(largest.map(({ path, storedBytes }) => [path, storedBytes]))
  assert.equal(why.largest.length, 3)
  for (const { path, storedBytes } of why.largest) {
    const off = storedBytes - real.get(path)!
    assert.ok(off >= 0 && off < 8192, `${storedBytes} bytes of ${path}, not ${real.get(path)}`)
  }
})

test('what was merged says so, and what it stored itself', async t => {
  const tree = new Tree(t)
  const place = { store: tree.storePath, cache: tree.cachePath }
  tree.write('edited', 40_000)
  tree.write('kept', 30_000, 1)
  const full = await tree.full()
  for (let i = 0; i < 2; i++) {
    appendFileSync(tree.at('edited'), randomBytes(100, i))
    await tree.incremental()
  }
  const { date } = tree.reports.at(-1)!
  const told = async () => {
    const { largest, ...why } = await whyBackup('key', { ...place, at: date })
    const { increments } = await planBackup('key', place)
    const { archives } = await planRestore('key', place)
    return [why.date, why.kind, why.fullReason, why.parent, increments, archives.length, largest.map(namesOf)]
  }
  const namesOf = ({ path, reason }: StoredFile) => `${path} ${reason}`
  const before = tree.reports.at(-2)!.date
  assert.deepEqual(await told(), [date, 'incremental', undefined, before, 2, 3, ['edited delta']])
  await mergeBackups('key', { ...place, from: full.date, to: date })
  assert.deepEqual(await told(), [date, 'incremental', undefined, full.date, 1, 2, ['edited delta']])
  await mergeBackups('key', { ...place, at: date })
  assert.deepEqual(await told(), [date, 'full', 'merged', undefined, 0, 1, ['edited full', 'kept full']])
})

test('without the state of the backup before, what cannot be known is not said', async t => {
  const tree = new Tree(t)
  tree.write('delta', 40_000)
  tree.write('whole', 500)
  await tree.full()
  appendFileSync(tree.at('delta'), 'x')
  tree.write('whole', 501)
  const { date } = await tree.incremental()
  rmSync(tree.artifact('state', tree.reports[0]!.date))
  const { largest } = await whyBackup('key', { store: tree.storePath, cache: false, at: date })
  const reasons = Object.fromEntries(largest.map(({ path, reason }) => [path, reason]))
  assert.deepEqual(reasons, { delta: 'delta', whole: 'unknown' })
})

test('jq reads what ibt why says', oracle('jq'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('photos'))
  writeFileSync(desk.at('photos', 'one'), randomBytes(100_000, 1))
  desk.ibt('backup', 'photos')
  const [first] = desk.ibt('list', 'photos', '--json').stdout.split('\n')
  appendFileSync(desk.at('photos', 'one'), 'x')
  desk.ibt('backup', 'photos')
  const jq = (filter: string, input: string) => execFileSync('jq', ['-c', filter], { input, encoding: 'utf8' }).trim()
  const { stdout } = desk.ibt('why', 'photos', '--json')
  assert.equal(jq('[.kind, .newFiles, (.largest[] | .path, .reason)]', stdout), '["incremental",1,"one","delta"]')
  const text = desk.ibt('why', 'photos', '--at', JSON.parse(first!).date).stdout
  assert.match(text, /^The backup of photos of \S+ is a full: the first backup of the key\n/)
  assert.match(text, /97\.7 KiB {2}one\n$/)
})
