import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  autoBackup,
  compose,
  fullBackup,
  incrementalBackup,
  listEntries,
  none,
  pipe,
  type RunOptions,
  restoreBackup,
  restoreTar,
  verifyBackup
} from '../../src/index.js'
import { fromTar } from '../../src/interop/index.js'
import { filter, observe, only, pack, sign, walk } from '../../src/stages/index.js'
import { type Change, type Chunk, type Entry, isChunk, type Source } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

interface Ground {
  readonly source: string
  readonly out: string
  readonly options: RunOptions
}

function makeGround(t: TestContext): Ground {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(join(source, 'd'), { recursive: true })
  writeFileSync(join(source, 'a'), 'A')
  writeFileSync(join(source, 'b'), 'B')
  writeFileSync(join(source, 'd/c'), 'C')
  return { source, out: join(base, 'out'), options: { key: 'key', store: join(base, 'store'), cache: false } }
}

async function* passOn<T>(items: Source<T>): AsyncGenerator<T, void, undefined> {
  yield* items
}

const paths = async ({ options }: Ground) =>
  (await collect(listEntries('key', { store: options.store, cache: false }))).map(({ path }) => path)

const WAYS = {
  'no stages': undefined,
  'a sign of its own': { sign: compose(passOn<Entry>, sign()) },
  'a sign of the defaults': (d: { sign: ReturnType<typeof sign> }) => ({ ...d, sign: compose(passOn<Entry>, d.sign) }),
  'a stage elsewhere': { filter: passOn<Entry> }
}

for (const [way, stages] of Object.entries(WAYS)) {
  test(`a moved file is stored as its new name alone, with ${way}`, async t => {
    const { source, options } = makeGround(t)
    writeFileSync(join(source, 'big'), createRandom(1).bytes(1_000_000))
    await fullBackup(source, { ...options, stages })
    renameSync(join(source, 'big'), join(source, 'moved'))
    const { storedBytes } = await incrementalBackup(source, { ...options, stages })
    assert.ok(storedBytes < 10_000, `${storedBytes} bytes`)
  })
}

test('a replaced filter switches neither paths nor exclude off', async t => {
  const ground = makeGround(t)
  const { source, out, options } = ground
  await fullBackup(source, options)
  const { store, cache } = options
  for (const [i, stages] of [
    { filter: observe<Entry>(() => {}) as never },
    (d: object) => ({ ...d, filter: passOn })
  ].entries()) {
    const destination = `${out}${i}`
    mkdirSync(destination)
    writeFileSync(join(destination, 'b'), 'mine')
    await restoreBackup('key', destination, { store, cache, paths: ['/a'], overwrite: 'always', stages })
    assert.equal(readFileSync(join(destination, 'b'), 'utf8'), 'mine')
    assert.equal(readFileSync(join(destination, 'a'), 'utf8'), 'A')
    assert.ok(!existsSync(join(destination, 'd')))

    const chunks: Uint8Array[] = []
    const keep = async (bytes: Source<Uint8Array>) => {
      for await (const chunk of bytes) chunks.push(chunk)
    }
    const { entries } = await restoreTar('key', keep, { store, cache, paths: ['/a'], stages })
    assert.equal(entries, 2)
    assert.deepEqual(
      (await collect(fromTar(chunks))).map(({ path }) => path),
      ['.', 'a']
    )
  }
  const rules = { exclude: ['b'] }
  await fullBackup(source, { ...options, rules, stages: { walk: walk(source), filter: passOn } })
  assert.deepEqual(await paths(ground), ['.', 'a', 'd', 'd/c'])
})

test('a filter that is spliced sees what is wanted, and what it drops is not in the backup', async t => {
  const ground = makeGround(t)
  const seen: string[] = []
  const watch = observe<Entry>(({ path }) => seen.push(path))
  const drop = filter<Entry>({ selects: path => path !== 'a' })
  const rules = { exclude: ['/b'] }
  await fullBackup(ground.source, {
    ...ground.options,
    rules,
    stages: d => ({ filter: compose(watch, drop, d.filter) })
  })
  assert.deepEqual(seen, ['.', 'a', 'd', 'd/c'])
  assert.deepEqual(await paths(ground), ['.', 'd', 'd/c'])
})

test('a stage that a pipeline does not have is refused, and so is what is not a record', async t => {
  const { source, out, options } = makeGround(t)
  const wrong = { sgin: sign() } as object
  await assert.rejects(fullBackup(source, { ...options, stages: wrong }), {
    name: 'TypeError',
    message: /^stages: 'sgin' is not a stage of this pipeline, which has walk, filter, diff, sign/
  })
  for (const stages of [async () => ({}), () => undefined, [], () => 'sign']) {
    await assert.rejects(fullBackup(source, { ...options, stages: stages as never }), TypeError)
  }
  // The lock is free again, and a stage that is undefined is not given.
  await fullBackup(source, { ...options, stages: { sign: undefined } })
  await assert.rejects(restoreBackup('key', out, { ...options, stages: { unpak: [] } as object }), TypeError)
  await assert.rejects(
    restoreTar('key', async () => {}, { ...options, stages: { write: [] } as object }),
    TypeError
  )
  await assert.rejects(verifyBackup('key', { ...options, stages: { write: [] } as object }), TypeError)
})

test('the same splice serves the full and the increments of an automatic run', async t => {
  const { source, options } = makeGround(t)
  const changes: (readonly [string, string | undefined])[] = []
  const look = observe<Change>(({ path, change }) => changes.push([path, change]))
  const back = () => autoBackup(source, { ...options, stages: d => ({ diff: compose(d.diff, look) }) })
  assert.equal((await back()).kind, 'full')
  assert.deepEqual(
    changes.splice(0).map(([path]) => path),
    ['.', 'a', 'b', 'd', 'd/c']
  )
  writeFileSync(join(source, 'new'), 'new')
  assert.equal((await back()).kind, 'incremental')
  assert.deepEqual(
    changes.find(([path]) => path === 'new'),
    ['new', 'created']
  )
})

test('frames that a stage of a caller keeps stay as they are', async t => {
  const { source, options } = makeGround(t)
  const random = createRandom(7)
  for (let i = 0; i < 60; i++) writeFileSync(join(source, `f${i}`), random.bytes(200_000))
  const kept: { readonly frame: Uint8Array; readonly sha256: string }[] = []
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  const keep = observe<object>(item => {
    if ('frame' in item) kept.push({ frame: item.frame as Uint8Array, sha256: hash(item.frame as Uint8Array) })
  })
  await fullBackup(source, { ...options, stages: { pack: compose(pack({ whole: 'full' }), keep as never) } })
  assert.ok(kept.length > 10)
  for (const { frame, sha256 } of kept) assert.equal(hash(frame), sha256)
})

test('a tar restore and a verification take stages of a caller', async t => {
  const { source, options } = makeGround(t)
  await fullBackup(source, options)
  const { store, cache } = options
  const chunks: Uint8Array[] = []
  const upper = async function* (entries: Source<Entry>) {
    for await (const entry of entries) yield entry.path === '.' ? entry : { ...entry, path: `x/${entry.path}` }
  }
  const root = async function* (entries: Source<Entry>) {
    for await (const entry of entries) if (entry.type === 'file') yield entry
  }
  await restoreTar(
    'key',
    async bytes => {
      for await (const chunk of bytes) chunks.push(chunk)
    },
    { store, cache, stages: d => ({ patch: compose(d.patch, upper), pack: compose(root, d.pack) }) }
  )
  const names: string[] = []
  const count = observe<Entry>(({ path }) => names.push(path))
  await pipe(
    fromTar(chunks),
    count,
    pack({ whole: 'full' }),
    only('full'),
    async (bytes: Source<Uint8Array | Chunk>) => {
      for await (const _ of bytes);
    }
  )
  assert.deepEqual(names, ['x/a', 'x/b', 'x/d/c'])

  const files = filter<Entry>({ selects: path => path === 'a' })
  const some = await verifyBackup('key', { store, cache, readData: true, stages: { filter: files as never } })
  assert.deepEqual([some.entries, some.files, some.problems], [2, 1, []])
  const proven = { entries: 7, files: 0, sizeBytes: 0 }
  const own = await verifyBackup('key', { store, cache, stages: { prove: async () => proven } })
  assert.equal(own.entries, 7)
})

test('progress ends with the counts of the report, whatever is spliced', async t => {
  const { source, options } = makeGround(t)
  for (const stages of [undefined, {}, { filter: passOn }, { sign: compose(passOn<Entry>, sign()) }]) {
    for (const backup of [fullBackup, incrementalBackup]) {
      writeFileSync(join(source, 'a'), `A${Math.random()}`)
      let last: object = {}
      const { totals } = await backup(source, {
        ...options,
        stages,
        onProgress: ({ path, total: _, ...counts }) => {
          last = { path, ...counts, storedBytes: 0 }
        }
      })
      const { entries, files, sizeBytes } = totals
      assert.deepEqual(last, { path: 'd/c', entries, files, sizeBytes, storedBytes: 0 })
    }
  }
})

test('a codec that gives its input back keeps it, whatever it says of copies', async t => {
  const { source, options } = makeGround(t)
  const random = createRandom(8)
  for (let i = 0; i < 60; i++) writeFileSync(join(source, `f${i}`), random.bytes(200_000))
  const kept: { readonly bytes: Uint8Array; readonly sha256: string }[] = []
  const hash = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
  const keep = observe<object>(item => {
    if (isChunk(item)) kept.push({ bytes: item.bytes, sha256: hash(item.bytes) })
  })
  await fullBackup(source, {
    ...options,
    codec: { ...none(), copies: true },
    stages: d => ({ encode: compose(d.encode as never, keep) as never })
  })
  assert.ok(kept.length > 10)
  for (const { bytes, sha256 } of kept) assert.equal(hash(bytes), sha256)
})
