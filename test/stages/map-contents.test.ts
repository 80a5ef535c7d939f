import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { createGunzip, createGzip, gunzipSync, gzipSync } from 'node:zlib'
import { pack as tarStream } from 'tar-stream'
import { PART_BYTES } from '../../src/constants.js'
import {
  type Content,
  compose,
  type Entry,
  fullBackup,
  incrementalBackup,
  pipe,
  type RestoreStages,
  restoreBackup,
  verifyBackup
} from '../../src/index.js'
import { fromTar, toTarStream } from '../../src/interop/index.js'
import { type ContentTransform, type MapContentsOptions, mapContents } from '../../src/stages/map-contents.js'
import { only } from '../../src/stages/only.js'
import { pack } from '../../src/stages/pack.js'
import { walk } from '../../src/stages/walk.js'
import { bytesOf, code, collect, directory, entry, file } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

async function* upper(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  for await (const chunk of source) yield Buffer.from(Buffer.from(chunk).toString('latin1').toUpperCase(), 'latin1')
}

stageContract(
  'mapContents',
  () => mapContents(() => upper),
  () => [directory('.'), file('a', 'a'), file('b', 'b')]
)

const pass: ContentTransform = async function* pass(source) {
  yield* source
}

async function textOf(content: Content | undefined): Promise<string> {
  return String(await bytesOf(content!.open()))
}

const TRANSFORMS: Readonly<Record<string, () => ContentTransform>> = {
  'a function of chunks': () => upper,
  'a Node transform': () =>
    new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) }) as ContentTransform,
  'a function that makes a Node transform': () => () =>
    new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) }),
  'a web transform': () =>
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => controller.enqueue(Buffer.from(Buffer.from(chunk).toString().toUpperCase()))
    }) as ContentTransform
}

for (const [name, make] of Object.entries(TRANSFORMS)) {
  test(`${name} changes a content`, async () => {
    const [only] = await collect(mapContents(make)([file('a', 'text')]))
    assert.equal(only!.sizeBytes, undefined)
    assert.equal(await only!.content!.measure!(), 4)
    assert.equal(await textOf(only!.content), 'TEXT')
  })
}

test('what is not chosen and what has no content passes as it is', async () => {
  const items = [directory('.'), file('a', 'a'), entry('link', { link: 1 })]
  const asked: string[] = []
  const choose = ({ path }: Entry) => {
    asked.push(path)
    return undefined
  }
  assert.deepEqual(await collect(mapContents(choose)(items)), items)
  assert.deepEqual(asked, ['a'])
})

test('a choose that is no function and a transform that is none are refused', async () => {
  assert.throws(() => mapContents('gzip' as never), TypeError)
  const [only] = await collect(mapContents(() => (() => 7) as never)([file('a', 'text')]))
  await assert.rejects(textOf(only!.content), TypeError)
})

test('a content larger than a part waits in a spool without a name, and none is left', async t => {
  const spoolDirectory = temporaryDirectory(t)
  const bytes = randomBytes(PART_BYTES + 100_000, 1)
  const entries = mapContents(() => pass, { spoolDirectory })([file('a', bytes), file('b', bytes)])
  for await (const { content } of entries) {
    assert.equal(await content!.measure!(), bytes.length)
    assert.deepEqual(readdirSync(spoolDirectory), [])
    assert.equal((await bytesOf(content!.open())).length, bytes.length)
  }
  const missing = mapContents(() => pass, { spoolDirectory: join(spoolDirectory, 'missing') })([file('a', bytes)])
  const { value } = await missing.next()
  await assert.rejects(value!.content!.measure!(), code('IBT_WRITE_FAILED'))
  await missing.return()
})

test('it can be opened twice and looks again if what it is made of does', async () => {
  const look = async () => ({ dirty: true, racy: false })
  const content: Content = { open: () => [Buffer.from('x')], isRepeatable: true, look }
  const [twice] = await collect(mapContents(() => upper)([entry('a', { content, sizeBytes: 1 })]))
  assert.equal(twice!.content!.isRepeatable, true)
  assert.deepEqual(await twice!.content!.look!(), { dirty: true, racy: false })
  assert.deepEqual([await textOf(twice!.content), await textOf(twice!.content)], ['X', 'X'])
  const [once] = await collect(mapContents(() => upper)([file('a', 'x')]))
  assert.deepEqual([once!.content!.isRepeatable, once!.content!.look], [undefined, undefined])
})

test('pack alone and a tar-stream pack find the sizes', async () => {
  const grow: ContentTransform = async function* grow(source) {
    for await (const chunk of source) yield* [chunk, chunk]
  }
  const large = randomBytes(PART_BYTES, 2)
  const items = () => [file('a', 'text'), file('large', large)]
  const tar = await bytesOf(
    pipe(
      items(),
      mapContents(() => grow),
      pack({ whole: 'full' }),
      only('full')
    ) as AsyncIterable<Uint8Array>
  )
  const stream = tarStream()
  const fed = pipe(
    items(),
    mapContents(() => grow),
    toTarStream(stream as never)
  )
  const streamed = await bytesOf(stream as AsyncIterable<Uint8Array>)
  await fed
  for (const bytes of [tar, streamed]) {
    const found = new Map<string, Buffer>()
    for await (const { path, content } of fromTar([bytes])) found.set(path, await bytesOf(content!.open()))
    assert.equal(String(found.get('a')), 'texttext')
    assert.equal(found.get('large')!.length, 2 * PART_BYTES)
  }
})

test('pack counts a small content whose size nobody knows, and refuses a large one', async () => {
  const packed = (bytes: Buffer) =>
    pipe([file('a', bytes, { sizeBytes: undefined })], pack({ whole: 'full' }), only('full'))
  const [a] = await collect(fromTar([await bytesOf(packed(Buffer.from('text')) as AsyncIterable<Uint8Array>)]))
  assert.equal(a!.sizeBytes, 4)
  await assert.rejects(collect(packed(Buffer.alloc(PART_BYTES + 1))), code('IBT_SIZE_UNKNOWN'))
})

function makeSource(t: TestContext) {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'a.gz'), gzipSync('packed'))
  writeFileSync(join(source, 'large'), randomBytes(PART_BYTES + 5000, 4))
  writeFileSync(join(source, 'plain'), 'plain')
  const options = { key: 'k', store: join(base, 'store'), cache: false } as const
  let reads = 0
  const choose = ({ path }: Entry): ContentTransform | undefined => {
    if (path === 'plain') return undefined
    const make = path.endsWith('.gz') ? createGunzip : createGzip
    return () => {
      reads++
      return make()
    }
  }
  const stages = (version?: string) => {
    const mapped = mapContents(choose, { version, spoolDirectory: base } as MapContentsOptions)
    return { filter: mapped }
  }
  const readsOf = async (run: () => Promise<unknown>) => {
    reads = 0
    await run()
    return reads
  }
  return { base, source, options, stages, readsOf }
}

test('a backup of changed contents restores them, and reads nothing again that has not changed', async t => {
  const { base, source, options, stages, readsOf } = makeSource(t)
  // Times within two seconds of the run prove nothing.
  await new Promise(resolve => setTimeout(resolve, 2100))
  const full = await fullBackup(source, { ...options, stages: stages() })
  assert.equal(full.skippedEntries, 0)
  assert.deepEqual((await verifyBackup('k', { ...options, readData: true })).problems, [])
  await restoreBackup('k', join(base, 'out'), options)
  assert.equal(readFileSync(join(base, 'out/a.gz'), 'utf8'), 'packed')
  assert.deepEqual(gunzipSync(readFileSync(join(base, 'out/large'))), readFileSync(join(source, 'large')))
  const unchanged = () => incrementalBackup(source, { ...options, stages: stages() })
  assert.equal(await readsOf(unchanged), 0)
  const other = () => incrementalBackup(source, { ...options, stages: stages('2') })
  assert.equal(await readsOf(other), 2, 'another version reads all again')
  assert.equal(await readsOf(other), 0)
  writeFileSync(join(source, 'a.gz'), gzipSync('repack'))
  assert.equal(await readsOf(other), 1)
})

test('without the stage, what it changed is stored as it is', async t => {
  const { base, source, options, stages } = makeSource(t)
  await fullBackup(source, { ...options, stages: stages() })
  const { totals } = await incrementalBackup(source, options)
  assert.deepEqual([totals.updated, totals.unchanged], [2, 2])
  await restoreBackup('k', join(base, 'out'), options)
  assert.deepEqual(readFileSync(join(base, 'out/a.gz')), gzipSync('packed'))
})

test('a transform that fails leaves its file unreadable, and the run goes on', async t => {
  const { base, source, options } = makeSource(t)
  const filter = mapContents(({ path }) => (path === 'plain' ? () => createGunzip() : undefined))
  const report = await fullBackup(source, { ...options, stages: { filter } })
  assert.deepEqual([report.skippedEntries, report.totals.unreadable], [1, 1])
  await restoreBackup('k', join(base, 'out'), options)
  assert.deepEqual(readdirSync(join(base, 'out')).sort(), ['a.gz', 'large'])
})

test('a restore can change contents back, into a directory and into a tar', async t => {
  const { base, source, options } = makeSource(t)
  const change = (make: () => Transform) => mapContents(({ path }) => (path === 'a.gz' ? undefined : make))
  await fullBackup(source, { ...options, stages: { filter: change(createGzip) } })
  const back = (defaults: RestoreStages) => ({ patch: compose(defaults.patch, change(createGunzip)) })
  const report = await restoreBackup('k', join(base, 'out'), { ...options, stages: back })
  assert.deepEqual([report.files, report.skippedEntries], [3, 0])
  for (const name of ['a.gz', 'large', 'plain'])
    assert.ok(readFileSync(join(base, 'out', name)).equals(readFileSync(join(source, name))), name)
})

test('walk and a transform make a tar without a backup', async t => {
  const { source } = makeSource(t)
  const gunzip = mapContents(({ path }) => (path.endsWith('.gz') ? () => createGunzip() : undefined))
  const tar = await bytesOf(
    pipe(walk(source), gunzip, pack({ whole: 'full' }), only('full')) as AsyncIterable<Uint8Array>
  )
  for await (const { path, content } of fromTar([tar]))
    if (path === 'a.gz') assert.equal(await textOf(content), 'packed')
})
