import assert from 'node:assert/strict'
import { linkSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Entry, fullBackup, incrementalBackup, pipe, restoreBackup, verifyBackup } from '../../src/index.js'
import { fromTar } from '../../src/interop/index.js'
import { merge } from '../../src/stages/merge.js'
import { walk } from '../../src/stages/walk.js'
import { bytesOf, code, collect, directory, entry } from '../helpers/entries.js'
import { oddFile } from '../helpers/odd-tars.js'
import { sourceContract } from '../helpers/source-contract.js'
import { temporaryDirectory } from '../native/tree.js'

let opened = 0
async function* counted(...entries: readonly Entry[]): AsyncGenerator<Entry, void, undefined> {
  opened++
  try {
    yield* entries
  } finally {
    opened--
  }
}

sourceContract(
  'merge',
  () => merge({ a: counted(directory('.'), entry('x')), 'b/c': counted(directory('.'), entry('y')) }),
  () => opened
)

const paths = (entries: readonly Entry[]) => entries.map(({ path }) => path)

test('sources come below their names in path order, with the directories that lead there', async () => {
  const found = await collect(
    merge({
      'srv/www': [directory('.'), entry('index')],
      etc: [directory('.', { mode: 0o700 }), directory('d'), entry('d/a')],
      'etc.d': [entry('only')],
      srv: [directory('.'), entry('a'), entry('z')]
    })
  )
  assert.deepEqual(paths(found), [
    ...['.', 'etc', 'etc/d', 'etc/d/a', 'etc.d', 'etc.d/only'],
    ...['srv', 'srv/a', 'srv/www', 'srv/www/index', 'srv/z']
  ])
  assert.deepEqual([found[0]!.mode, found[1]!.mode], [0o755, 0o700])
})

test('hard-link groups of two sources stay apart, and names in a tar move with it', async () => {
  const linked = () => [directory('.'), entry('a', { link: 0 }), entry('b', { link: 0 })]
  const found = await collect(merge({ x: linked(), y: linked() }))
  const links = found.filter(({ type }) => type === 'file').map(({ link }) => link)
  assert.equal(links[0], links[1])
  assert.equal(links[2], links[3])
  assert.notEqual(links[0], links[2])
  const tar = Buffer.concat([oddFile('a'), oddFile('b', '', { flag: '1', link: 'a' }), Buffer.alloc(1024)])
  const [, , , b] = await collect(merge({ t: fromTar([tar]) }))
  assert.deepEqual([b!.path, (b as { linkTo?: string }).linkTo], ['t/b', 't/a'])
})

test('contents of tars are read while they pass', async () => {
  const tar = (text: string) => fromTar([Buffer.concat([oddFile('a', text), oddFile('b', text), Buffer.alloc(1024)])])
  const texts: string[] = []
  for await (const { content } of merge({ 'x/y': tar('inner'), x: tar('outer') }))
    if (content !== undefined) texts.push(String(await bytesOf(content.open())))
  assert.deepEqual(texts, ['outer', 'outer', 'inner', 'inner'])
})

test('names that are no paths, equal paths and unsorted sources are refused', async () => {
  for (const name of ['', '/etc', '../etc', 'a//b', 'a/'])
    assert.throws(() => merge({ [name]: [] }), code('IBT_UNSAFE_PATH'))
  const twice = merge({ a: [directory('.'), directory('b')], 'a/b': [directory('.')] })
  await assert.rejects(collect(twice), code('IBT_OUT_OF_ORDER'))
  await assert.rejects(collect(merge({ a: [entry('b'), entry('a')] })), code('IBT_OUT_OF_ORDER'))
})

test('a source that is parked does not keep an abort waiting, and is closed', { timeout: 300_000 }, async () => {
  const controller = new AbortController()
  let pulls = 0
  let isClosed = false
  const parked: AsyncIterator<Entry> = {
    async next() {
      if (pulls++ === 0) return { done: false, value: directory('.') }
      setImmediate(() => controller.abort(new Error('enough')))
      return new Promise(() => {})
    },
    async return() {
      isClosed = true
      return { done: true, value: undefined }
    }
  }
  const source = { [Symbol.asyncIterator]: () => parked }
  const items = pipe(
    merge({ a: source }),
    async function* pass(entries) {
      yield* entries
    },
    { signal: controller.signal }
  )
  await assert.rejects(collect(items), /enough/)
  assert.ok(isClosed)
})

function makeTrees(t: TestContext) {
  const base = temporaryDirectory(t)
  for (const [name, text] of [
    ['etc', 'E'],
    ['www', 'W']
  ] as const) {
    mkdirSync(join(base, name, 'd'), { recursive: true })
    for (const path of ['a', 'd/b']) writeFileSync(join(base, name, path), text + path)
    linkSync(join(base, name, 'a'), join(base, name, 'z'))
  }
  return { base, options: { key: 'k', store: join(base, 'store'), cache: false } as const }
}

test('several directories make one backup, an increment and a restore', async t => {
  const { base, options } = makeTrees(t)
  const at = (name: string) => join(base, name)
  const stages = () => ({ walk: merge({ etc: walk(at('etc')), 'srv/www': walk(at('www')) }) })
  const full = await fullBackup(base, { ...options, stages: stages() })
  assert.deepEqual([full.totals.entries, full.skippedEntries, full.madeDirectories], [12, 0, 0])
  assert.deepEqual((await verifyBackup('k', { ...options, readData: true })).problems, [])
  writeFileSync(at('www/d/b'), 'changed')
  const next = await incrementalBackup(base, { ...options, stages: stages() })
  assert.deepEqual([next.totals.updated, next.totals.unchanged], [1, 11])
  await restoreBackup('k', at('out'), options)
  assert.equal(readFileSync(at('out/etc/a'), 'utf8'), 'Ea')
  assert.equal(readFileSync(at('out/srv/www/d/b'), 'utf8'), 'changed')
  assert.equal(statSync(at('out/etc/a')).ino, statSync(at('out/etc/z')).ino)
  assert.notEqual(statSync(at('out/etc/a')).ino, statSync(at('out/srv/www/a')).ino)
})
