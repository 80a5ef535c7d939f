import assert from 'node:assert/strict'
import { closeSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { RACY_MS } from '../../../src/constants.js'
import {
  type BackupError,
  compose,
  type Entry,
  type IncrementalStages,
  listEntries,
  type StagesOption,
  verifyBackup
} from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { collect } from '../../helpers/entries.js'
import { run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { runIbt } from '../../helpers/warm-ibt.js'
import { temporaryDirectory } from '../../native/tree.js'

const TOOLS = oracle('rsync', 'touch', 'cp')
const LARGE_BYTES = 9 * 1024 * 1024
/** In a batch, with a delta, streamed. */
const NAMES = ['small', 'signed', 'large']
const CHECKSUM = { detection: { checksum: true } }

/** Flips a bit of a file and gives it its times back, but for the ctime, which nothing gives back. */
function flip(path: string, at = 5): void {
  run('touch', ['-r', path, `${path}.times`])
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, at)
  writeSync(file, Buffer.of(byte[0]! ^ 4), 0, 1, at)
  closeSync(file)
  run('touch', ['-r', `${path}.times`, path])
  run('rm', [`${path}.times`])
}

/** After this the times of a file prove something. */
const settle = () => setTimeout(RACY_MS + 100)

async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  writeFileSync(join(chain.source, 'small'), 'a small content')
  writeFileSync(join(chain.source, 'signed'), createRandom(1).bytes(50_000))
  writeFileSync(join(chain.source, 'large'), createRandom(2).bytes(LARGE_BYTES))
  for (let i = 0; i < 9; i++) writeFileSync(join(chain.source, `whole${i}`), `content ${i}`)
  await settle()
  await chain.full()
  return chain
}

const flagsOf = async (chain: NaiveChain, at: string) =>
  new Map(
    (await collect(listEntries('key', { store: chain.storePath, cache: false, at })))
      .filter(entry => entry.expectedSha256 !== undefined)
      .map(({ path, expectedSha256 }) => [path, expectedSha256])
  )

const digestsOf = async (chain: NaiveChain, at: string) =>
  new Map(
    (await collect(listEntries('key', { store: chain.storePath, cache: false, at }))).map(({ path, sha256 }) => [
      path,
      sha256
    ])
  )

// Side by side, because they wait.
describe('bit rot', { ...TOOLS, concurrency: true }, () => {
  test('bit rot in the source is raised by name, stored as an update, and the old content stays', async t => {
    const chain = await makeChain(t)
    const good = chain.reports[0]!.date
    for (const name of NAMES) flip(join(chain.source, name))
    writeFileSync(join(chain.source, 'whole1'), 'an honest edit')
    const errors: BackupError[] = []
    const rotten = await chain.incremental({ ...CHECKSUM, onError: error => errors.push(error) })
    assert.deepEqual([...rotten.suspects].sort(), [...NAMES].sort())
    assert.deepEqual([rotten.suspectFiles, rotten.knownSuspects, rotten.totals.updated], [3, 0, 4])
    assert.deepEqual(errors.map(({ code, path }) => [code, path]).sort(), [
      ['IBT_BIT_ROT', 'large'],
      ['IBT_BIT_ROT', 'signed'],
      ['IBT_BIT_ROT', 'small']
    ])
    const before = await digestsOf(chain, good)
    assert.deepEqual(
      await flagsOf(chain, rotten.date),
      new Map([...NAMES].sort().map(name => [name, before.get(name)]))
    )
    // Both contents are there, each under its date.
    await chain.assertRestores(good)
    await chain.assertRestores(rotten.date)

    const same = await chain.incremental(CHECKSUM)
    assert.deepEqual([same.suspectFiles, same.knownSuspects, same.totals.unchanged], [0, 3, 13])
    await settle()
    const believed = await chain.incremental()
    assert.deepEqual([believed.suspectFiles, believed.knownSuspects], [0, 3])
    assert.deepEqual(await flagsOf(chain, believed.date), await flagsOf(chain, rotten.date))

    const verified = await verifyBackup('key', { store: chain.storePath, cache: false })
    assert.deepEqual([verified.suspectFiles, verified.problems], [3, []])

    // More rot is raised again, and the first content stays the one that is expected.
    flip(join(chain.source, 'small'), 7)
    const worse = await chain.incremental(CHECKSUM)
    assert.deepEqual([worse.suspects, worse.knownSuspects], [['small'], 2])
    assert.equal((await flagsOf(chain, worse.date)).get('small'), before.get('small'))

    // What is repaired is not suspected, and an honest edit clears the flag.
    for (const name of ['small', 'signed']) run('cp', ['-p', join(chain.copy(good), name), join(chain.source, name)])
    writeFileSync(join(chain.source, 'large'), 'edited')
    const repaired = await chain.incremental(CHECKSUM)
    assert.deepEqual([repaired.suspectFiles, repaired.knownSuspects, repaired.totals.updated], [0, 0, 3])
    assert.deepEqual(await flagsOf(chain, repaired.date), new Map())
    await chain.assertRestores(repaired.date)
  })

  test('without checksum another content under the same mtime is an update like any other', async t => {
    const chain = await makeChain(t)
    for (const name of NAMES) flip(join(chain.source, name))
    const { suspectFiles, totals, date } = await chain.incremental()
    assert.deepEqual([suspectFiles, totals.updated], [0, 3])
    assert.deepEqual(await flagsOf(chain, date), new Map())
  })

  test('the message tells rot under the same ctime from a restored mtime', async t => {
    const chain = await makeChain(t)
    const was = new Map(
      (await collect(listEntries('key', { store: chain.storePath, cache: false }))).map(({ path, ctimeNs }) => [
        path,
        ctimeNs
      ])
    )
    for (const name of ['small', 'signed']) flip(join(chain.source, name))
    async function* listed(source: AsyncIterable<Entry> | Iterable<Entry>) {
      for await (const entry of source) yield entry.path === 'small' ? { ...entry, ctimeNs: was.get('small') } : entry
    }
    async function* asBefore(source: AsyncIterable<object> | Iterable<object>) {
      for await (const item of source) {
        const { path } = item as Entry
        yield path === 'small' ? { ...item, ctimeNs: was.get('small') } : item
      }
    }
    // Only what rots below the file system keeps its ctime: here a stage gives it back, where it is listed and where it is read.
    const stages: StagesOption<IncrementalStages> = defaults => ({
      ...defaults,
      filter: compose(defaults.filter, listed),
      sign: compose(defaults.sign, asBefore as typeof defaults.sign)
    })
    const errors: BackupError[] = []
    await chain.incremental({ ...CHECKSUM, stages, onError: error => errors.push(error) })
    const messages = new Map(errors.map(({ path, message }) => [path, message]))
    assert.match(messages.get('small')!, /its ctime is the same, too/)
    assert.match(messages.get('signed')!, /restored its mtime/)
  })

  test('ibt names what is suspected and exits with 3', async t => {
    const chain = await makeChain(t)
    const ibt = (...args: string[]) => {
      const common = ['--store', chain.storePath, '--no-cache', '--key', 'key', '--checksum']
      return runIbt(['incremental', chain.source, ...common, ...args])
    }
    flip(join(chain.source, 'small'))
    const dry = ibt('--dry-run')
    assert.equal(dry.status, 3, dry.stderr)
    assert.match(dry.stderr, /small has other bytes than before.*bit rot suspected/)
    assert.match(dry.stdout, /1 file has other bytes, but its size and mtime are as before/)
    const json = ibt('--json')
    const events = json.stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    const report = events.at(-1)
    assert.deepEqual([json.status, report.exitCode, report.suspectFiles, report.suspects], [3, 3, 1, ['small']])
    assert.ok(events.some(event => event.event === 'error' && event.error.code === 'IBT_BIT_ROT'))
    const later = ibt()
    assert.equal(later.status, 0)
    assert.match(later.stdout, /1 file still as an earlier run suspected of bit rot/)
    const look = (...args: string[]) => runIbt([...args, '--store', chain.storePath, '--no-cache'])
    assert.match(look('ls', 'key', 'small', '--long').stdout, / small {2}\(bit rot suspected\)\n$/)
    assert.match(look('restore', 'key', join(chain.base, 'out')).stdout, /1 file suspected of bit rot when backed up/)
    assert.match(look('restore', 'key', '-', '--path', 'small').stderr, /1 file suspected of bit rot when backed up/)
    assert.match(look('verify', 'key').stdout, /1 file suspected of bit rot in the source/)
  })
})
