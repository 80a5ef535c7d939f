import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { FRAME_BYTES } from '../../src/constants.js'
import { openState } from '../../src/format/state-reader.js'
import { stateEmit } from '../../src/stages/state-emit.js'
import { type Artifact, isCounted, isPiece, type Packed, type Sealed, type StateHeader } from '../../src/types.js'
import { code, collect, directory, entry } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { stageContract } from '../helpers/stage-contract.js'

const OLD = '20261101T000000.000Z'
const DATE = '20261102T000000.000Z'
const header: StateHeader = {
  key: 'k',
  date: DATE,
  kind: 'incremental',
  startedNs: 1n,
  root: '/r',
  host: 'h',
  chain: [{ date: OLD, stateSha256: 'a'.repeat(64) }, { date: DATE }]
}
const packed = (path: string, rest: Partial<Packed> = {}): Packed => {
  const item = path === '.' ? directory(path) : entry(path, { sizeBytes: 3 })
  const places = path === '.' ? undefined : [{ date: '', in: 'created', offset: 0 } as const]
  return { item: 'packed', ...item, change: 'created', state: { ...item, places }, storedBytes: 0, ...rest }
}
const sealed: Sealed = {
  item: 'sealed',
  name: `k.created.${DATE}.tar`,
  kind: 'created',
  sizeBytes: 10,
  sha256: 'b'.repeat(64)
}
const inherited: Artifact[] = (['full', 'sigvault', 'updated'] as const).map(kind => ({
  name: `k.${kind}.${OLD}.tar`,
  kind,
  sizeBytes: 1,
  sha256: 'c'.repeat(64),
  date: OLD
}))

stageContract(
  'stateEmit',
  () => stateEmit(header),
  () => [packed('.'), packed('a'), packed('b')],
  { emitsAtEnd: true }
)

async function emitted(items: Parameters<ReturnType<typeof stateEmit>>[0], needs?: () => readonly Artifact[]) {
  const found = await collect(stateEmit(header, { inherited: needs })(items))
  const frames = found.filter(isPiece)
  assert.ok(frames.every(({ kind, frame }) => kind === 'state' && frame.length <= FRAME_BYTES))
  const bytes = Buffer.concat(frames.map(({ frame }) => frame))
  const reader = await openState([bytes])
  const entries = await collect(reader.entries())
  return { found, bytes, entries, closing: reader.closing() }
}

test('the state holds every entry and is what JSON.parse and jq read', oracle('jq'), async () => {
  const { bytes, entries } = await emitted([packed('.'), packed('a'), packed('b \udcff "')])
  assert.deepEqual(
    entries.map(({ path }) => path),
    ['.', 'a', 'b \udcff "']
  )
  JSON.parse(String(bytes))
  assert.equal(spawnSync('jq', ['.'], { input: bytes }).status, 0)
})

test('entries are swallowed, all else passes on, and the counts come last', async () => {
  const chunk = { item: 'chunk', name: 'n', kind: 'full', bytes: Buffer.from('a') } as const
  const { found } = await emitted([packed('.'), chunk, sealed])
  assert.deepEqual(found.slice(0, 2), [chunk, sealed])
  assert.ok(isCounted(found.at(-1)!))
  assert.ok(!found.some(item => 'path' in item))
})

test('a deleted entry is counted and not written', async () => {
  const { entries, closing } = await emitted([packed('.'), packed('gone', { change: 'deleted', state: undefined })])
  assert.equal(entries.length, 1)
  assert.deepEqual([closing.totals.deleted, closing.totals.created, closing.totals.entries], [1, 1, 1])
})

test('the closing line names the artifacts that entries need, and all that were sealed before it', async () => {
  const place = { date: OLD, in: 'full', offset: 0 } as const
  const state = { ...entry('a', { sizeBytes: 3 }), sha256: 'd'.repeat(64), places: [place] }
  let wasAsked = 0
  const needs = () => {
    wasAsked++
    return inherited
  }
  const { closing } = await emitted([packed('.'), packed('a', { change: 'unchanged', state }), sealed], needs)
  assert.deepEqual(
    closing.artifacts.map(({ name }) => name),
    [`k.full.${OLD}.tar`, sealed.name]
  )
  assert.equal(wasAsked, 1)
  const signed = { ...state, signature: { date: OLD, offset: 0 } }
  const more = await emitted([packed('.'), packed('a', { change: 'unchanged', state: signed })], needs)
  assert.deepEqual(
    more.closing.artifacts.map(({ kind }) => kind),
    ['full', 'sigvault']
  )
})

test('an artifact without a digest is refused: the stage that was to seal it anew is missing', async () => {
  await assert.rejects(collect(stateEmit(header)([{ ...sealed, sha256: '' }])), code('IBT_STATE_INVALID'))
})

test('a state larger than a frame comes in several, while entries are still coming', async () => {
  const pulls: number[] = []
  let pulled = 0
  function* many() {
    yield packed('.')
    for (; pulled < 20_000; pulled++) yield packed(`f${String(pulled).padStart(200, '0')}`)
  }
  for await (const item of stateEmit(header)(many())) if (isPiece(item)) pulls.push(pulled)
  assert.ok(pulls.length > 3 && pulls[0]! < 10_000)
})

test('an entry that could not be read back or restored ends the run before the state is complete', async () => {
  const refused = async (expected: string, ...items: readonly Packed[]) => {
    const found: object[] = []
    const run = async () => {
      for await (const item of stateEmit(header)(items)) found.push(item)
    }
    await assert.rejects(run(), code(expected))
    assert.deepEqual(found, [])
  }
  await refused('IBT_UNSAFE_PATH', packed('a'))
  await refused('IBT_UNSAFE_PATH', packed('.'), packed('d/a'))
  await refused('IBT_OUT_OF_ORDER', packed('.'), packed('b'), packed('a'))
  await refused('IBT_OUT_OF_ORDER', packed('.'), packed('a'), packed('a'))
  await refused('IBT_STATE_INVALID', packed('.'), packed('a', { state: { ...entry('a'), mode: 0o100644 } }))
  await refused('IBT_STATE_INVALID', packed('.'), packed('a', { state: { ...entry('a'), sizeBytes: 3 } }))
  const xattrs = new Map([['user.large', Buffer.alloc(13 * 1024 * 1024)]])
  await refused('IBT_STATE_INVALID', packed('.'), packed('a', { state: { ...entry('a'), xattrs } }))
})

test('a header whose chain does not end with its own date is refused', async () => {
  await assert.rejects(collect(stateEmit({ ...header, chain: [{ date: OLD }] })([])), TypeError)
})

test('what pack has not seen, or has packed as something else, is refused', async () => {
  const root = packed('.')
  const a = packed('a')
  const plain = entry('b', { sizeBytes: 3 }) as object as Packed
  for (const late of [
    plain,
    { ...a, path: 'b' },
    { ...a, type: 'fifo' },
    { ...a, state: { ...a.state!, path: 'b' } }
  ]) {
    await assert.rejects(collect(stateEmit(header)([root, late as Packed])), code('IBT_STATE_INVALID'))
  }
  const { entries } = await emitted([root, { ...a, state: { ...a.state!, mode: 0o600 } }])
  assert.equal(entries.at(-1)!.mode, 0o600)
})

test('a content that is known by the digest of its signature alone is refused where the header does not require it', async () => {
  const signatureDigest = { blockLen: 2048, strongLen: 16, sha256: 'd'.repeat(64) }
  const items = (sha256?: string) => {
    const file = packed('f')
    return [packed('.'), { ...file, state: { ...file.state!, sha256, signatureDigest } }, sealed]
  }
  const emit = (requires: string[], sha256?: string) => collect(stateEmit({ ...header, requires })(items(sha256)))
  await assert.rejects(emit([]), code('IBT_STATE_INVALID'))
  await emit([], 'e'.repeat(64))
  const pieces = (await emit(['signature-digest'])).filter(isPiece)
  const state = await openState(pieces.map(({ frame }) => frame))
  assert.deepEqual(state.header.requires, ['signature-digest'])
  const entries = await collect(state.entries())
  assert.deepEqual(entries[1]?.signatureDigest, signatureDigest)
})

for (const [what, change] of Object.entries<Partial<Record<keyof Sealed, unknown>>>({
  'a digest in capitals': { sha256: 'B'.repeat(64) },
  'no digest': { sha256: undefined },
  'no size': { sizeBytes: undefined },
  'a size below zero': { sizeBytes: -1 },
  'a name of another key': { name: `j.created.${DATE}.tar` },
  'a name of another date': { name: `k.created.${OLD}.tar` },
  'a name of nobody': { name: 'k.created.tar' },
  'another kind': { kind: 'updated' }
})) {
  test(`an artifact that was sealed with ${what} is refused`, async () => {
    const items = [packed('.'), packed('a'), { ...sealed, ...change } as Sealed]
    await assert.rejects(emitted(items), code('IBT_STATE_INVALID'))
  })
}

test('two artifacts of one kind, or none of a kind that an entry needs, are refused', async () => {
  await assert.rejects(emitted([packed('.'), packed('a'), sealed, sealed]), code('IBT_STATE_INVALID'))
  const sigvault: Sealed = { ...sealed, name: `k.sigvault.${DATE}.tar`, kind: 'sigvault' }
  await assert.rejects(emitted([packed('.'), packed('a'), sigvault]), code('IBT_STATE_INVALID'))
})
