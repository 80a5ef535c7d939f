import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { none, zstd } from '../../src/codec/index.js'
import { pipe } from '../../src/interop/pipe.js'
import { encode } from '../../src/stages/encode.js'
import { encrypt } from '../../src/stages/encrypt.js'
import { type Chunk, type Cipher, isChunk, isSealed, type Kind, type Sealed, type Source } from '../../src/types.js'
import { holding, inverted } from '../codec/ciphers.js'
import { code, collect, entry } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'

const NAMES = { full: 'k.full.20261101T000000.000Z.tar', sigvault: 'k.sigvault.20261101T000000.000Z.tar' }
const chunk = (kind: keyof typeof NAMES, text: string): Chunk => ({
  ...{ item: 'chunk', name: NAMES[kind], kind, bytes: Buffer.from(text) }
})
const sealed = (kind: keyof typeof NAMES, text: string): Sealed => ({
  ...{ item: 'sealed', name: NAMES[kind], kind, sizeBytes: text.length, sha256: sha256(Buffer.from(text)) }
})
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const makeItems = () => [
  chunk('full', 'ab'),
  entry('a'),
  chunk('sigvault', 'x'),
  chunk('full', 'c'),
  sealed('full', 'abc')
]

stageContract('encrypt', () => encrypt(inverted()), makeItems)

test('each artifact goes through the cipher as one stream, and is named and sealed anew', async () => {
  const items = [...makeItems(), sealed('sigvault', 'x')]
  const found = await collect(encrypt(inverted())(items as Source<Chunk>))
  for (const [kind, text] of [
    ['full', 'abc'],
    ['sigvault', 'x']
  ] as const) {
    const of = found.filter(item => 'kind' in item && item.kind === (kind as Kind))
    assert.ok(of.every(item => isChunk(item) || isSealed(item)))
    assert.deepEqual([...new Set(of.map(({ name }) => name))], [`${NAMES[kind]}.inv`])
    const bytes = Buffer.concat(of.flatMap(item => (isChunk(item) ? [item.bytes] : [])))
    assert.deepEqual(bytes.map(byte => byte ^ 255).toString(), `<${text}>`)
    const { sizeBytes, sha256: digest } = of.at(-1) as Sealed
    assert.deepEqual([sizeBytes, digest], [bytes.length, sha256(bytes)])
  }
})

test('what it has encrypted before the state it leaves alone behind it; another cipher encrypts it once more', async () => {
  const items = [chunk('full', 'abc'), sealed('full', 'abc')]
  const once = await collect(encrypt(inverted())(items))
  assert.deepEqual(await collect(encrypt(inverted())(once)), once)
  const twice = await collect(pipe(once, encrypt(inverted('.other')), encrypt(inverted())))
  assert.deepEqual([...new Set(twice.map(item => isSealed(item) && item.name))].at(-1), `${NAMES.full}.inv.other`)
  // An artifact that was never encrypted is, whatever its name ends in.
  const named = { ...chunk('full', 'a'), name: `${NAMES.full}.inv` }
  assert.deepEqual(
    (await collect(encrypt(inverted())([named, { ...sealed('full', 'a'), name: named.name }]))).length,
    4
  )
})

test('a batch of chunks is taken apart, and an artifact without bytes is sealed, too', async () => {
  const pieces = Array.from({ length: 30 }, (_, i) => ({ item: 'piece', kind: 'full', frame: Buffer.of(i) }) as const)
  const backup = { key: 'k', date: '20261101T000000.000Z' }
  const found = await collect(pipe(pieces, encode(zstd(), backup), encrypt(inverted())))
  assert.ok(isSealed(found.at(-1)!))
  const empty = await collect(encrypt(inverted())([sealed('full', '')]))
  assert.deepEqual(
    empty.map(item => isSealed(item) && item.sizeBytes),
    [false, false, 2]
  )
})

test('a cipher that holds everything back gives it all before the artifact is sealed', async () => {
  const items = [chunk('full', 'abc'), chunk('full', 'def'), entry('e'), sealed('full', 'abcdef')]
  const found = await collect(encrypt(holding())(items as Source<Chunk>))
  assert.deepEqual(
    found.map(item => (isChunk(item) ? Buffer.from(item.bytes).toString() : 'other')),
    ['other', 'abcdef', 'other']
  )
})

test('an error of the cipher comes out, and the other artifacts are stopped', async () => {
  const error = new Error('of the cipher')
  let stopped = 0
  const failing: Cipher = {
    ...inverted(),
    async *seal(source, { name }) {
      try {
        for await (const bytes of source) {
          if (name!.includes('full') && bytes[0] === 99) throw error
          yield bytes
        }
      } finally {
        stopped++
      }
    }
  }
  await assert.rejects(collect(encrypt(failing)(makeItems() as Source<Chunk>)), thrown => thrown === error)
  assert.equal(stopped, 2)
})

test('a cipher that ends early loses nothing in silence', async () => {
  const lazy: Cipher = {
    ...inverted(),
    async *seal(source) {
      for await (const bytes of source) {
        yield bytes
        return
      }
    }
  }
  const items = [chunk('full', 'abc'), chunk('full', 'def'), sealed('full', 'abcdef')]
  await assert.rejects(collect(encrypt(lazy)(items)))
  const deaf: Cipher = { ...inverted(), async *seal() {} }
  await assert.rejects(collect(encrypt(deaf)([sealed('full', '')])), code('IBT_WRITE_FAILED'))
})

test('an abort ends a cipher that is stuck', async () => {
  const controller = new AbortController()
  const stuck: Cipher = {
    ...inverted(),
    async *seal(source) {
      for await (const _ of source)
        await new Promise((_, reject) => controller.signal.addEventListener('abort', reject))
    }
  }
  const found = collect(
    pipe([chunk('full', 'a')], encode(none(), { key: 'k', date: '20261101T000000.000Z' }), encrypt(stuck), {
      signal: controller.signal
    })
  )
  found.catch(() => {})
  for (let turn = 0; turn < 5; turn++) await setImmediate()
  const reason = new Error('Enough')
  controller.abort(reason)
  await assert.rejects(found, thrown => thrown === reason)
})

test('what is not a cipher is refused at the call', () => {
  assert.throws(() => encrypt({ suffix: '.x' } as never), TypeError)
  for (const suffix of ['', 'x', '.X', '.a.b']) assert.throws(() => encrypt(inverted(suffix)), TypeError)
})
