import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { BackupError, none, type Store, type VerifyOptions, verifyBackup } from '../../../src/index.js'
import { encodeProofs, Proofs } from '../../../src/proof/proofs.js'
import { directoryStore, wrapStore } from '../../../src/stores/index.js'
import { NaiveChain } from '../../helpers/chain.js'
import { startParked } from '../../helpers/parked.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const FILES = 60
const FILE_BYTES = 200_000
const DAY_MS = 86_400_000
const MONTH = { maxAgeMs: 30 * DAY_MS }

/** A full of twelve stretches, plain, so that a byte of a file can be hurt. */
async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, codec: none() })
  const random = createRandom(1)
  for (let i = 0; i < FILES; i++) writeFileSync(join(chain.source, `file${i + 10}`), random.bytes(FILE_BYTES))
  await chain.full()
  return chain
}

const verify = (chain: NaiveChain, options: VerifyOptions = {}) =>
  verifyBackup('key', { store: chain.storePath, cache: false, ...options })

const proofsIn = (chain: NaiveChain) => readdirSync(chain.storePath).filter(name => name.includes('.proofs.'))

/** Hurts the content of a file in the full. */
function hurt(chain: NaiveChain, name: string): void {
  const path = chain.artifact('full', '')
  const bytes = readFileSync(path)
  const at = bytes.indexOf(readFileSync(join(chain.source, name)))
  assert.ok(at > 0)
  bytes[at + 1000]! ^= 1
  writeFileSync(path, bytes)
}

test('samples cover everything over time, the longest ago first, and find what is damaged', async t => {
  const chain = await makeChain(t)
  let [left, runs] = [FILES, 0]
  for (; left > 0; runs++) {
    const { problems, sample, files, entries } = await verify(chain, { sample: { percent: 25 } })
    assert.deepEqual([problems, entries], [[], FILES + 1])
    assert.equal(files, sample!.files)
    assert.ok(files >= FILES / 4 - 1 && files < FILES / 2, `${files} files`)
    assert.equal(sample!.unprovenFiles, Math.max(0, left - files))
    left = sample!.unprovenFiles
    assert.equal(proofsIn(chain).length, 1)
  }
  assert.ok(runs <= 4, `${runs} runs`)

  hurt(chain, 'file42')
  const lost: string[] = []
  for (let i = 0; i < runs && lost.length === 0; i++) {
    const { problems } = await verify(chain, { sample: { percent: 25 }, onLost: path => lost.push(path) })
    assert.equal(problems.length, lost.length)
  }
  assert.deepEqual(lost, ['file42'])
  // What is not proven stays the longest ago: it is chosen again at once.
  const again = await verify(chain, { sample: { files: 1 } })
  assert.deepEqual(
    again.problems.map(({ code }) => code),
    ['IBT_HASH_MISMATCH']
  )
})

test('a seed chooses the same files again', async t => {
  const chain = await makeChain(t)
  const made = async (seed: string | undefined) => {
    const lost: string[] = []
    const { sample } = await verify(chain, { sample: { sizeBytes: 3_000_000 }, seed, onLost: path => lost.push(path) })
    assert.ok(sample!.sizeBytes >= 3_000_000)
    for (const name of proofsIn(chain)) rmSync(join(chain.storePath, name))
    return { seed: sample!.seed, lost }
  }
  for (let i = 10; i < FILES + 10; i++) hurt(chain, `file${i}`)
  const first = await made(undefined)
  assert.match(first.seed, /^[0-9a-f]{16}$/)
  assert.deepEqual((await made(first.seed)).lost, first.lost)
  assert.notDeepEqual((await made('another')).lost, first.lost)
})

test('what was proven lately is not proven again, and what is new is', async t => {
  const chain = await makeChain(t)
  const first = await verify(chain, MONTH)
  assert.deepEqual([first.files, first.sample?.files, first.sample?.unprovenFiles], [FILES, FILES, 0])
  const second = await verify(chain, MONTH)
  assert.deepEqual([second.files, second.sample?.recentFiles], [0, FILES])
  writeFileSync(join(chain.source, 'new'), 'new')
  writeFileSync(join(chain.source, 'file10'), Buffer.concat([readFileSync(join(chain.source, 'file10')), Buffer.of(1)]))
  rmSync(join(chain.source, 'file11'))
  await chain.incremental()
  const third = await verify(chain, MONTH)
  assert.deepEqual([third.files, third.sample?.recentFiles], [2, FILES - 2])
  // An older date has contents that the newest one has not: file10 as it was, file11.
  const older = await verify(chain, { ...MONTH, at: chain.reports[0]!.date })
  assert.equal(older.files, 0, 'it was proven itself')
  for (const name of proofsIn(chain)) rmSync(join(chain.storePath, name))
  await verify(chain, MONTH)
  assert.equal((await verify(chain, { ...MONTH, at: chain.reports[0]!.date })).files, FILES)
  // Nothing at all is young enough.
  assert.equal((await verify(chain, { maxAgeMs: 0 })).files, FILES)
})

test('a proof is bound to the artifact: of another one it proves nothing', async t => {
  const chain = await makeChain(t)
  await verify(chain, MONTH)
  const [name] = proofsIn(chain)
  const path = join(chain.storePath, name!)
  const text = readFileSync(path, 'utf8')
  const rewrite = (change: (text: string) => string) => {
    for (const other of proofsIn(chain)) rmSync(join(chain.storePath, other))
    const document = JSON.parse(change(text))
    const proofs = new Proofs('key')
    for (const { proven, ...artifact } of document.artifacts) {
      for (const { from, to, at, date, upTo } of proven) {
        for (let i = from; i <= to; i++) proofs.add(artifact, i, { provenMs: Date.parse(at), date, upTo })
      }
    }
    writeFileSync(path, encodeProofs(proofs))
  }
  const sameAgain = (was: string) => was
  rewrite(sameAgain)
  assert.equal((await verify(chain, MONTH)).files, 0)
  const full = JSON.parse(text).artifacts.find((artifact: { name: string }) => artifact.name.includes('.full.'))
  const changes: Record<string, (text: string) => string> = {
    'another digest': was => was.replace(full.sha256, '0'.repeat(64)),
    'another size': was => was.replace(`"sizeBytes":${full.sizeBytes}`, `"sizeBytes":${full.sizeBytes + 512}`),
    'a time to come': was => was.replaceAll(/"at":"\d{4}/g, '"at":"9000'),
    'a time long ago': was => was.replaceAll(/"at":"\d{4}/g, '"at":"2001'),
    'an artifact that is younger than the proof': was => was.replaceAll(/"upTo":"\d{4}/g, '"upTo":"2001'),
    'a date that is not of the chain': was => was.replaceAll(/"date":"\d{4}/g, '"date":"2001')
  }
  for (const [title, change] of Object.entries(changes)) {
    assert.notEqual(change(text), text)
    rewrite(change)
    const { files, problems } = await verify(chain, MONTH)
    assert.deepEqual([files, problems], [FILES, []], title)
  }
})

test('an archive that is gone or has another size undoes the proofs of what is made of it', async t => {
  const chain = await makeChain(t)
  writeFileSync(join(chain.source, 'new'), 'new')
  await chain.incremental()
  await verify(chain, MONTH)
  const full = chain.artifact('full', '')
  const bytes = readFileSync(full)
  const hurts = [
    { hurt: () => writeFileSync(full, Buffer.concat([bytes, Buffer.alloc(1)])), expected: [0, FILES + 1] },
    { hurt: () => rmSync(full), expected: [FILES, 1] }
  ]
  for (const { hurt, expected } of hurts) {
    hurt()
    const lost: string[] = []
    const { problems, notes, files } = await verify(chain, { ...MONTH, onLost: path => lost.push(path) })
    assert.deepEqual([lost.length, files], expected)
    assert.ok(problems.length > 0)
    assert.match(notes.join(), /not the one that was proven/)
    writeFileSync(full, bytes)
    for (const name of proofsIn(chain)) rmSync(join(chain.storePath, name))
    await verify(chain, MONTH)
  }
})

test('proofs that are damaged or of a later version are neither believed nor fatal', async t => {
  const chain = await makeChain(t)
  await verify(chain, MONTH)
  const [name] = proofsIn(chain)
  const path = join(chain.storePath, name!)
  const bytes = readFileSync(path)
  const random = createRandom(3)
  const damages = [
    Buffer.alloc(0),
    Buffer.from('{}'),
    bytes.subarray(0, bytes.length >> 1),
    ...Array.from({ length: 3 }, () => {
      const hurt = Buffer.from(bytes)
      hurt[random.int(hurt.length)]! ^= 1 << random.int(8)
      return hurt
    })
  ]
  for (const damaged of damages) {
    for (const other of proofsIn(chain)) rmSync(join(chain.storePath, other))
    writeFileSync(path, damaged)
    const { problems, notes, files } = await verify(chain, MONTH)
    assert.deepEqual([problems, files], [[], FILES])
    assert.match(notes.join(), /Proofs are not used/)
    // The next one has taken its place.
    assert.ok(proofsIn(chain).length === 1 && proofsIn(chain)[0] !== name)
  }
})

test('two verifications at once lose nothing', async t => {
  const chain = await makeChain(t)
  await verify(chain, { sample: { percent: 10 } })
  const both = await Promise.all(['a', 'b'].map(seed => verify(chain, { sample: { percent: 30 }, seed })))
  assert.deepEqual(
    both.map(({ problems, notes }) => [problems, notes]),
    [
      [[], []],
      [[], []]
    ]
  )
  const { sample, notes } = await verify(chain, MONTH)
  assert.deepEqual(notes, [])
  const known = FILES - Math.min(...both.map(({ sample }) => sample!.unprovenFiles))
  assert.ok(sample!.recentFiles >= known)
  assert.equal(sample!.unprovenFiles, 0)
  assert.equal(proofsIn(chain).length, 1)
})

test('a store that refuses to write or to delete costs proofs or files, and nothing else', async t => {
  const chain = await makeChain(t)
  const store = directoryStore(chain.storePath)
  const refuse = async () => {
    throw new BackupError('IBT_STORE_FAILED', 'Refused')
  }
  const readOnly = await verify(chain, { ...MONTH, store: wrapStore(store, { put: refuse, delete: refuse }) })
  assert.deepEqual([readOnly.problems, readOnly.files], [[], FILES])
  assert.match(readOnly.notes.join(), /cannot be recorded: Refused/)
  assert.deepEqual(proofsIn(chain), [])
  const writeOnce = wrapStore(store, { delete: refuse })
  for (let i = 1; i <= 3; i++) {
    const { problems, notes } = await verify(chain, { sample: { percent: 20 }, store: writeOnce })
    assert.deepEqual([problems, notes], [[], []])
    assert.equal(proofsIn(chain).length, i)
  }
  const { recentFiles } = (await verify(chain, MONTH)).sample!
  assert.ok(recentFiles >= 0.6 * FILES, `${recentFiles}`)
})

test('a store that fails in the middle costs what was not proven by then', async t => {
  const chain = await makeChain(t)
  let calls = 0
  const store: Store = wrapStore(directoryStore(chain.storePath), {
    async *get(name, range, options) {
      if (name.includes('.full.') && ++calls > 6) throw new BackupError('IBT_STORE_FAILED', 'Gone', { path: name })
      yield* directoryStore(chain.storePath).get(name, range, options)
    }
  })
  const { problems, files } = await verify(chain, { ...MONTH, store })
  assert.ok(files > 0 && files < FILES, `${files}`)
  assert.ok(problems.every(({ code }) => code === 'IBT_STORE_FAILED'))
  const next = await verify(chain, MONTH)
  assert.ok(next.sample!.recentFiles > 0 && next.sample!.recentFiles <= files)
  assert.equal(next.files, FILES - next.sample!.recentFiles)
})

/** A verification that stands still when it has read a part of the full. */
const VERIFICATION = `
  import { verifyBackup } from ${JSON.stringify(import.meta.resolve('../../../src/index.js'))}
  import { directoryStore, wrapStore } from ${JSON.stringify(import.meta.resolve('../../../src/stores/index.js'))}
  const real = directoryStore(process.argv[1])
  let given = 0
  const store = wrapStore(real, {
    async *get(name, range, options) {
      for await (const chunk of real.get(name, range, options)) {
        if (name.includes('.full.') && (given += chunk.length) > 3e6) {
          console.log('in the middle')
          await new Promise(() => {})
        }
        yield chunk
      }
    }
  })
  await verifyBackup('key', { store, cache: false, maxAgeMs: ${MONTH.maxAgeMs} })
`

test('a verification that is killed or aborted leaves the proofs of those before it', async t => {
  const chain = await makeChain(t)
  await verify(chain, { sample: { percent: 40 } })
  const left = proofsIn(chain)
  assert.equal(left.length, 1)
  const kill = await startParked(t, VERIFICATION, chain.storePath)
  await kill()
  assert.deepEqual(proofsIn(chain), left)
  const controller = new AbortController()
  const reason = new Error('Enough')
  const onProgress = () => controller.abort(reason)
  await assert.rejects(verify(chain, { ...MONTH, signal: controller.signal, onProgress }), error => error === reason)
  assert.deepEqual(proofsIn(chain), left)
  const { sample } = await verify(chain, MONTH)
  assert.ok(sample!.recentFiles >= 0.35 * FILES)
})

test('what was proven is recorded every five minutes, so that a long verification that is killed was not for nothing', async t => {
  const chain = await makeChain(t)
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
  const controller = new AbortController()
  const onProgress = ({ files }: { files: number }) => {
    t.mock.timers.tick(10_000)
    if (files === FILES - 5) controller.abort(new Error('Enough'))
  }
  await assert.rejects(verify(chain, { ...MONTH, onProgress, signal: controller.signal }), /Enough/)
  assert.equal(proofsIn(chain).length, 1)
  const { recentFiles } = (await verify(chain, MONTH)).sample!
  assert.ok(recentFiles >= 25 && recentFiles < FILES - 5, `${recentFiles}`)
})

test('a damaged sigvault is found by its turn, and one that is gone is a note', async t => {
  const chain = await makeChain(t)
  const path = chain.artifact('sigvault', '')
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 1
  writeFileSync(path, bytes)
  const { problems } = await verify(chain, MONTH)
  assert.deepEqual(
    problems.map(({ code }) => code),
    ['IBT_HASH_MISMATCH']
  )
  rmSync(path)
  const without = await verify(chain, MONTH)
  assert.deepEqual([without.problems, without.files], [[], 0])
  assert.match(without.notes.join(), /sigvault.* a restore does not need it/)
})

test('a sample or an age that makes no sense is refused', async t => {
  const store = temporaryDirectory(t)
  for (const options of [
    { sample: { percent: 0 } },
    { sample: { percent: 101 } },
    { sample: { files: -1 } },
    { maxAgeMs: -1 }
  ]) {
    await assert.rejects(verifyBackup('key', { store, ...options }), RangeError)
  }
})
