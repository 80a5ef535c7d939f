import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  compose,
  fullBackup,
  type IncrementalStages,
  incrementalBackup,
  none,
  restoreBackup,
  verifyBackup
} from '../../../src/index.js'
import { mapEntries } from '../../../src/stages/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import { type Entry, isChunk, isPiece, isSealed, type Source, type Stage, type Store } from '../../../src/types.js'
import { code, collect } from '../../helpers/entries.js'
import { temporaryDirectory } from '../../native/tree.js'

const flipped = (bytes: Uint8Array) => Uint8Array.from(bytes, byte => byte ^ 0xff)
const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)

// biome-ignore lint/suspicious/noExplicitAny: it stands between any two stages
type Splice = Stage<any>
type Change = (item: object) => object | undefined

/** A stage of somebody's between any two of ours. */
const each = (change: Change): Splice =>
  async function* eachStage(source: Source<object>) {
    for await (const item of source) {
      const changed = change(item)
      if (changed !== undefined) yield changed
    }
  }

/** Encrypts in place of size, as AES-CTR does, and seals anew if it is told to. */
function scramble(seals: boolean): Change {
  const hashes = new Map<string, ReturnType<typeof createHash>>()
  const hash = (name: string) => hashes.get(name) ?? hashes.set(name, createHash('sha256')).get(name)!
  return item => {
    if (isChunk(item)) {
      const bytes = flipped(item.bytes)
      hash(item.name).update(bytes)
      return { ...item, bytes }
    }
    return seals && isSealed(item) ? { ...item, sha256: hash(item.name).digest('hex') } : item
  }
}

function makeTree(t: TestContext) {
  const root = join(temporaryDirectory(t), 'src')
  mkdirSync(root)
  for (const name of ['a', 'b']) writeFileSync(join(root, name), name.repeat(20_000))
  return root
}

const WRONG: Record<string, { place: 'encode' | 'stateEmit' | 'encodeState'; change: () => Change; refused: string }> =
  {
    'bytes that were changed and not sealed anew': {
      place: 'encode',
      change: () => scramble(false),
      refused: 'IBT_HASH_MISMATCH'
    },
    'a state that was changed and not sealed anew': {
      place: 'encodeState',
      change: () => scramble(false),
      refused: 'IBT_HASH_MISMATCH'
    },
    'no state': {
      place: 'stateEmit',
      change: () => item => (isPiece(item) && item.kind === 'state' ? undefined : item),
      refused: 'IBT_STATE_INVALID'
    },
    'a state of another date': {
      place: 'encodeState',
      change: () => item =>
        (isChunk(item) || isSealed(item)) && item.kind === 'state'
          ? { ...item, name: item.name.replace(/\d{8}T/, '20200101T') }
          : item,
      refused: 'IBT_STATE_INVALID'
    }
  }

for (const [what, { place, change, refused }] of Object.entries(WRONG)) {
  test(`stages that make ${what} are refused, in a full and an incremental, and nothing of it is stored`, async t => {
    const root = makeTree(t)
    const store = memoryStore()
    const options = { key: 'k', store, cache: false } as const
    const splice = {
      ...options,
      stages: (d: IncrementalStages) => ({ [place]: compose(d[place] as Splice, each(change())) })
    }
    await assert.rejects(fullBackup(root, splice), code(refused))
    assert.deepEqual(await names(store), [])
    await fullBackup(root, options)
    const before = await names(store)
    writeFileSync(join(root, 'a'), 'another')
    await assert.rejects(incrementalBackup(root, splice), code(refused))
    assert.deepEqual(await names(store), before)
    assert.deepEqual((await verifyBackup('k', { ...options, readData: true })).problems, [])
  })
}

test('bytes that were changed, renamed and sealed anew are stored, and come back', async t => {
  const root = makeTree(t)
  const base = none()
  const mine = {
    ...base,
    name: 'mine',
    suffix: '.mine',
    decode: async (stored: Uint8Array, sizeBytes: number) => base.decode(flipped(stored), sizeBytes),
    async *decodeAll(source: Source<Uint8Array>, name: string) {
      for await (const bytes of base.decodeAll(source, name)) yield flipped(bytes)
    }
  }
  const encrypted = (): Change => {
    const scrambled = scramble(true)
    return item => {
      const isOpen = (isChunk(item) || isSealed(item)) && !item.name.endsWith('.mine')
      return isOpen ? { ...scrambled(item), name: `${item.name}.mine` } : item
    }
  }
  const store = memoryStore()
  const options = { key: 'k', store, cache: false, codec: base, codecs: [mine] } as const
  const behind = (stage: Splice) => compose(stage, each(encrypted()))
  const stages = (d: IncrementalStages) => ({
    encode: behind(d.encode),
    encodeState: behind(d.encodeState)
  })
  await fullBackup(root, { ...options, stages })
  writeFileSync(join(root, 'a'), 'another')
  await incrementalBackup(root, { ...options, stages })
  assert.ok((await names(store)).every(name => name.endsWith('.mine')))
  assert.deepEqual((await verifyBackup('k', { ...options, readData: true })).problems, [])
  const restored = join(temporaryDirectory(t), 'restored')
  await restoreBackup('k', restored, options)
  assert.equal(readFileSync(join(restored, 'a'), 'utf8'), 'another')
})

const BAD_ENTRIES: Record<string, { fields: object; refused: string }> = {
  'a path of bytes': { fields: { path: Buffer.from('a') }, refused: 'IBT_UNSAFE_PATH' },
  'no path': { fields: { path: undefined }, refused: 'IBT_UNSAFE_PATH' },
  'a size that is text': { fields: { sizeBytes: '20000' }, refused: 'IBT_STATE_INVALID' },
  'a size that is a bigint': { fields: { sizeBytes: 20_000n }, refused: 'IBT_STATE_INVALID' },
  'a size that is not a number': { fields: { sizeBytes: Number.NaN }, refused: 'IBT_STATE_INVALID' },
  'attributes in an object': { fields: { xattrs: { 'user.a': Buffer.from('b') } }, refused: 'IBT_STATE_INVALID' }
}

for (const [what, { fields, refused }] of Object.entries(BAD_ENTRIES)) {
  test(`an entry with ${what} is refused, not lost`, async t => {
    const root = makeTree(t)
    const store = memoryStore()
    const own: Splice = mapEntries(entry => (entry.path === 'a' ? ({ ...entry, ...fields } as Entry) : entry))
    const options = { key: 'k', store, cache: false } as const
    for (const place of ['filter', 'walk'] as const) {
      const stages = (d: IncrementalStages) =>
        place === 'walk' ? { walk: own(d.walk) } : { filter: compose(d.filter, own) }
      await assert.rejects(fullBackup(root, { ...options, stages }), code(refused))
      assert.deepEqual(await names(store), [])
    }
  })
}

test('a change that is none is refused, not taken as unchanged', async t => {
  const root = makeTree(t)
  const store = memoryStore()
  const options = { key: 'k', store, cache: false } as const
  await fullBackup(root, options)
  writeFileSync(join(root, 'a'), 'another')
  const own = each(item => ('path' in item && item.path === 'a' ? { ...item, change: 'modified' } : item))
  const stages = (d: IncrementalStages) => ({ diff: compose(d.diff, own) })
  await assert.rejects(incrementalBackup(root, { ...options, stages }), code('IBT_STATE_INVALID'))
})
