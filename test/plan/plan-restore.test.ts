import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, linkSync, mkdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { TAIL_READ_BYTES } from '../../src/codec/limits.js'
import { PART_BYTES } from '../../src/constants.js'
import {
  type Codec,
  gzip,
  none,
  type PlanRestoreOptions,
  planRestore,
  type RestorePlan,
  restoreBackup,
  zstd
} from '../../src/index.js'
import { directoryStore } from '../../src/stores/index.js'
import { NaiveChain } from '../helpers/chain.js'
import { countingStore, type Given } from '../helpers/counting-store.js'
import { Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

/** A reader decodes ahead: what it fetches beyond the last frame that is needed, at most, of one archive. */
const AHEAD_BYTES = 2 * 1024 * 1024

async function makeChain(t: TestContext, codec: Codec): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { codec })
  const at = (path: string) => join(chain.source, path)
  for (const [n, directory] of ['a', 'b', 'c'].entries()) {
    mkdirSync(at(directory))
    for (let i = 0; i < 30; i++) writeFileSync(at(`${directory}/${i}`), randomBytes(60_000, 100 * n + i))
    for (let i = 0; i < 60; i++) writeFileSync(at(`${directory}/small ${i}`), `${directory} ${i}`.repeat(20))
  }
  writeFileSync(at('b/large'), randomBytes(PART_BYTES + 100_000, 99))
  linkSync(at('a/1'), at('c/linked'))
  await chain.full()
  appendFileSync(at('b/large'), randomBytes(50_000, 5))
  for (let i = 0; i < 30; i++) writeFileSync(at(`a/${i}`), randomBytes(60_000, 1000 + i))
  await chain.incremental()
  appendFileSync(at('b/large'), randomBytes(50_000, 6))
  renameSync(at('c'), at('d'))
  await chain.incremental()
  appendFileSync(at('b/3'), 'a few')
  rmSync(at('a/7'))
  await chain.incremental()
  return chain
}

/** What the store really gives to a restore. */
async function restored(chain: NaiveChain, options: PlanRestoreOptions): Promise<Map<string, Given>> {
  const { store, given } = countingStore(directoryStore(chain.storePath))
  await restoreBackup('key', join(chain.base, `restored ${Math.random()}`), { store, cache: false, ...options })
  return given
}

function assertPredicts(plan: RestorePlan, given: Map<string, Given>, what: string): void {
  const planned = new Map<string, Given>(
    plan.archives.map(({ name, requests, readBytes }) => [name, { requests, bytes: readBytes }])
  )
  for (const { name, sizeBytes } of plan.states) planned.set(name, { requests: 1, bytes: sizeBytes })
  assert.deepEqual([...given.keys()].sort(), [...planned.keys()].sort(), `${what}: what is opened`)
  for (const [name, { requests, bytes }] of planned) {
    const real = given.get(name)!
    const figures = `${what}, ${name}: ${bytes} bytes in ${requests} requests are planned, ${real.bytes} in ${real.requests} read`
    assert.ok(real.bytes >= bytes && real.bytes <= bytes + AHEAD_BYTES, figures)
    assert.ok(real.requests >= requests * 0.8 && real.requests <= requests * 1.5 + 3, figures)
  }
}

const ALL: readonly (readonly [string, PlanRestoreOptions])[] = [
  ['the newest', {}],
  ['one file', { paths: ['/b/3'] }],
  ['the large file', { paths: ['/b/large'] }],
  ['what was moved', { paths: ['/d'] }],
  ['no file', { paths: ['/nothing'] }]
]

for (const [codec, cases] of [
  [zstd(), ALL],
  [gzip(), ALL.slice(0, 1)],
  [none(), ALL.slice(0, 1)]
] as const) {
  test(`the plan of a restore is what a store sees, with ${codec.name}`, async t => {
    const chain = await makeChain(t, codec)
    const dated = chain.reports.slice(0, codec.name === 'zstd' ? 2 : 0).map(({ date }) => [date, { at: date }] as const)
    for (const [what, options] of [...dated, ...cases]) {
      const plan = await planRestore('key', { store: chain.storePath, cache: false, ...options })
      assertPredicts(plan, await restored(chain, options), what)
    }
  })
}

test('a plan reads no archive but its seek table, and says what a fresh full would have', async t => {
  const chain = await makeChain(t, zstd())
  const { store, given } = countingStore(directoryStore(chain.storePath))
  const plan = await planRestore('key', { store, cache: false })
  for (const { name, sizeBytes } of plan.archives) {
    const { requests, bytes } = given.get(name)!
    assert.ok(requests === 1 && bytes <= Math.min(sizeBytes, TAIL_READ_BYTES), `${name}: ${bytes} bytes`)
  }
  const full = await chain.full()
  const archive = full.files.find(({ kind }) => kind === 'full')!
  const share = plan.fullBytes / archive.sizeBytes
  assert.ok(share > 0.95 && share < 1.05, `${plan.fullBytes} bytes are expected, the full has ${archive.sizeBytes}`)
  const fresh = await planRestore('key', { store, cache: false })
  assert.deepEqual([fresh.files, fresh.sizeBytes], [plan.files, plan.sizeBytes])
  assert.equal(fresh.archives.length, 1)
  assert.ok(plan.readBytes > fresh.readBytes)
  assert.ok(Math.abs(fresh.readBytes - fresh.states[0]!.sizeBytes - fresh.fullBytes) < 0.05 * fresh.fullBytes)
})

test('the holes of sparse files are not expected to be read', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  for (const name of ['a', 'b', 'z']) {
    writeFileSync(join(chain.source, name), randomBytes(300_000, name.charCodeAt(0)))
    if (name !== 'b') truncateSync(join(chain.source, name), 100_000_000)
  }
  await chain.full()
  appendFileSync(join(chain.source, 'a'), 'x')
  await chain.incremental()
  for (const { date } of chain.reports) {
    const plan = await planRestore('key', { store: chain.storePath, cache: false, at: date })
    const share = plan.fullBytes / 900_000
    assert.ok(share > 0.95 && share < 1.05, `${plan.fullBytes} bytes`)
    assert.equal(plan.sizeBytes, 200_300_000 + (date === chain.reports[0]!.date ? 0 : 1))
  }
})

test('a restore that cannot be made is not planned', async t => {
  const chain = await makeChain(t, zstd())
  const [first] = chain.reports
  rmSync(chain.artifact('full', first!.date))
  const plan = planRestore('key', { store: chain.storePath, cache: false })
  await assert.rejects(plan, { code: 'IBT_BASIS_MISSING' })
  await assert.rejects(planRestore('other', { store: chain.storePath, cache: false }), { code: 'IBT_NO_BACKUP' })
})

test('jq adds up what ibt plan restore says', oracle('jq'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('photos'))
  writeFileSync(desk.at('photos', 'one'), randomBytes(3_000_000, 1))
  writeFileSync(desk.at('photos', 'two'), randomBytes(20_000, 2))
  desk.ibt('backup', 'photos')
  appendFileSync(desk.at('photos', 'two'), 'x')
  desk.ibt('backup', 'photos')
  const jq = (filter: string, input: string) => execFileSync('jq', ['-c', filter], { input, encoding: 'utf8' }).trim()
  const { status, stdout } = desk.ibt('plan', 'restore', 'photos', '--json')
  assert.equal(status, 0)
  const sums = '[.files, (.archives | length), .readBytes - (([.archives[].readBytes] | add) + .states[0].sizeBytes)]'
  assert.equal(jq(sums, stdout), '[2,2,0]')
  const part = desk.ibt('plan', 'restore', 'photos', '--path', 'two', '--json').stdout
  assert.equal(jq('[.files, (.archives[] | .readFrames < .frames)]', part), '[1,true,false]')
  const text = desk.ibt('plan', 'restore', 'photos', '--path', 'two').stdout
  assert.match(text, /2 of 2 archives/)
  assert.match(text, /^ +\d\S* \S+ +\d\S* \S+ +1 of \d+ +\d+ {2}photos\.full\./m)
  assert.equal(desk.ibt('plan', 'restore', 'photos', '--at', 'last century').status, 2)
})
