import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type BackupError, none, verifyBackup } from '../../../src/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { code } from '../../helpers/entries.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

async function makeChain(t: TestContext, options = {}): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, ...options })
  writeFileSync(join(chain.source, 'text'), 'text')
  const bytes = createRandom(1).bytes(100_000)
  writeFileSync(join(chain.source, 'signed'), bytes)
  await chain.full()
  bytes.fill(1, 50_000, 50_100)
  writeFileSync(join(chain.source, 'signed'), bytes)
  writeFileSync(join(chain.source, 'new'), createRandom(2).bytes(40_000))
  await chain.incremental()
  return chain
}

const verify = (chain: NaiveChain, options = {}) =>
  verifyBackup('key', { store: chain.storePath, cache: false, ...options })

test('a whole chain has no problem, and every file is made', async t => {
  const chain = await makeChain(t)
  for (const [i, { date }] of chain.reports.entries()) {
    const { problems, artifacts, entries, files, sizeBytes } = await verify(chain, { at: date, readData: true })
    assert.deepEqual(problems, [])
    assert.deepEqual([entries, files], i === 0 ? [3, 2] : [4, 3])
    assert.equal(sizeBytes, i === 0 ? 100_004 : 140_004)
    assert.ok(artifacts >= 2)
  }
  const quick = await verify(chain)
  assert.deepEqual([quick.files, quick.entries, quick.problems], [0, 4, []])
})

test('a key without a backup is an error', async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  await assert.rejects(verify(chain), code('IBT_NO_BACKUP'))
})

const DAMAGES: Readonly<Record<string, (path: string) => void>> = {
  'a flipped bit': path => {
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 4
    writeFileSync(path, bytes)
  },
  'a lost end': path => truncateSync(path, readFileSync(path).length - 1),
  'a lost half': path => truncateSync(path, readFileSync(path).length >> 1),
  'no bytes': path => truncateSync(path, 0),
  'one byte more': path => writeFileSync(path, Buffer.concat([readFileSync(path), Buffer.of(0)])),
  'another content of the same size': path => writeFileSync(path, Buffer.alloc(readFileSync(path).length, 7)),
  'no file': path => rmSync(path)
}

for (const [name, codec] of Object.entries({ zstd: undefined, none: none() })) {
  test(`every damage to every artifact is a problem with a code, with the codec ${name}`, async t => {
    const chain = await makeChain(t, { codec })
    const [full, newest] = chain.reports
    const stored = new Map(chain.stored().map(artifact => [artifact, readFileSync(join(chain.storePath, artifact))]))
    for (const artifact of stored.keys()) {
      for (const [damage, hurt] of Object.entries(DAMAGES)) {
        const title = `${damage}: ${artifact}`
        hurt(join(chain.storePath, artifact))
        // Not every date needs every artifact; a backup that has lost its own state is none any more; and the digest
        // of the newest state is only known to its successor.
        const dates = [full, newest]
          .map(report => report!.date)
          .filter(date => chain.stored('state').some(name => name.includes(date)))
        const found: BackupError[] = []
        const said: string[] = []
        for (const at of dates) {
          const told: BackupError[] = []
          const onError = (error: BackupError) => told.push(error)
          const { problems, notes } = await verify(chain, { at, readData: true, onError })
          said.push(...notes)
          assert.deepEqual(told, problems)
          found.push(...problems)
        }
        const isNewest = artifact.includes('.state.') && artifact.includes(newest!.date)
        // Neither the state of another date nor a sigvault is missing to anybody who restores.
        const isNoted = damage === 'no file' && /state|sigvault/.test(artifact)
        assert.ok(isNoted ? found.length === 0 : found.length > 0 || isNewest, title)
        assert.equal(said.length > 0, isNoted && !isNewest, title)
        for (const problem of found) assert.match(problem.code, /^IBT_/, title)
        for (const [name, bytes] of stored) writeFileSync(join(chain.storePath, name), bytes)
      }
    }
    assert.deepEqual((await verify(chain, { readData: true })).problems, [])
  })
}

test('names and sizes show what is lost or cut without reading any data', async t => {
  const chain = await makeChain(t)
  rmSync(chain.artifact('updated', ''))
  truncateSync(chain.artifact('created', ''), 20)
  const { problems } = await verify(chain)
  assert.deepEqual(problems.map(({ code }) => code).sort(), ['IBT_ARCHIVE_TRUNCATED', 'IBT_BASIS_MISSING'])
})

test('an archive that is damaged or gone is one problem that says how many files it costs', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const names = Array.from({ length: 9 }, (_, i) => `file${i}`)
  for (const name of names) writeFileSync(join(chain.source, name), name)
  await chain.full()
  const archive = chain.artifact('full', '')
  for (const [code, hurt] of [
    ['IBT_ARCHIVE_TRUNCATED', () => truncateSync(archive, readFileSync(archive).length >> 1)],
    ['IBT_BASIS_MISSING', () => rmSync(archive)]
  ] as const) {
    hurt()
    const lost: string[] = []
    const { problems, files } = await verify(chain, { readData: true, onLost: (path: string) => lost.push(path) })
    assert.deepEqual(lost, names)
    assert.equal(files, 0)
    const costly = problems.filter(({ message }) => message.includes('9 files cannot be made'))
    assert.deepEqual([costly.length, costly[0]?.code], [1, code])
    assert.ok(costly[0]!.message.includes('file0'))
    // That it is cut or gone is seen before it is read.
    assert.equal(problems.length, 2)
  }
})

test('an abort ends a verification with its reason', async t => {
  const chain = await makeChain(t)
  const controller = new AbortController()
  const reason = new Error('Enough')
  const onProgress = () => controller.abort(reason)
  await assert.rejects(verify(chain, { signal: controller.signal, onProgress }), error => error === reason)
})

test('a state whose entries could not be restored has a problem, also without reading the data', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, codec: none() })
  mkdirSync(join(chain.source, 'd'))
  writeFileSync(join(chain.source, 'd/empty'), '')
  const { date } = await chain.full()
  const path = chain.artifact('state', date)
  const text = readFileSync(path, 'utf8').replace(/^\{"path":"d".*\n/m, '')
  writeFileSync(path, text.replace(/,"linesSha256":"[^"]*"/, '').replace('"entries":3', '"entries":2'))
  const { problems } = await verify(chain)
  assert.deepEqual(
    problems.map(problem => problem.code),
    ['IBT_UNSAFE_PATH']
  )
  await assert.rejects(chain.restore('out'), code('IBT_UNSAFE_PATH'))
})

test('a date that was removed is no problem of those after it', async t => {
  const chain = await makeChain(t)
  writeFileSync(join(chain.source, 'later'), 'later')
  const { date } = await chain.incremental()
  rmSync(chain.artifact('state', chain.reports[0]!.date))
  const one = await verify(chain, { readData: true })
  assert.deepEqual([one.problems, one.date], [[], date])
  assert.match(
    one.notes.join(),
    new RegExp(`^An earlier backup of the chain, of ${chain.reports[0]!.date}, is not in the store any more$`)
  )
  rmSync(chain.artifact('state', chain.reports[1]!.date))
  const two = await verify(chain, { readData: true })
  assert.deepEqual([two.problems, two.notes.length], [[], 1])
  assert.match(two.notes[0]!, /^2 earlier backups of the chain, the oldest of .*, are not in the store any more$/)
  await chain.assertRestores(date)
})

test('a sigvault that is gone is a note, whichever backup names it', async t => {
  const chain = await makeChain(t)
  for (const { date } of chain.reports) rmSync(chain.artifact('sigvault', date))
  for (const { date } of chain.reports) {
    const { problems, notes } = await verify(chain, { at: date, readData: true })
    assert.deepEqual([problems, notes.length], [[], 1])
    assert.match(notes[0]!, /sigvault.* is not in the store: a restore does not need it/)
  }
  const { date, totals } = await chain.incremental()
  assert.equal(totals.unchanged, 4)
  await chain.assertRestores(date)
})
