import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { gzip, none, openArchive, zstd } from '../../src/codec/index.js'
import { encode } from '../../src/stages/encode.js'
import { publish } from '../../src/stages/publish.js'
import { memoryStore } from '../../src/stores/index.js'
import { type Chunk, type Codec, isChunk, isSealed, type Kind, type Piece } from '../../src/types.js'
import { code, collect, entry } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { stageContract, WatchedSource } from '../helpers/stage-contract.js'
import { randomBytes } from '../native/tree.js'

const BACKUP = { key: 'k', date: '20261101T000000.000Z' }
const piece = (kind: Kind, frame: Uint8Array): Piece => ({ item: 'piece', kind, frame })
const makeItems = () => [piece('full', Buffer.from('a')), entry('a'), piece('sigvault', Buffer.from('b'))]

stageContract('encode', () => encode(none(), BACKUP, { concurrency: 2 }), makeItems, { lookAhead: 4 })
stageContract('encode by zstd', () => encode(zstd(), BACKUP), makeItems, { lookAhead: 100 })

/** A codec whose frames are ready when the test says so. */
function slowCodec() {
  const waiting: ((error?: Error) => void)[] = []
  let running = 0
  let most = 0
  const codec: Codec = {
    ...none(),
    encode: frame =>
      new Promise((resolve, reject) => {
        most = Math.max(most, ++running)
        waiting.push(error => {
          running--
          if (error) reject(error)
          else resolve(frame)
        })
      })
  }
  return { codec, waiting, most: () => most }
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await setImmediate()
}

for (const concurrency of [1, 2, 5]) {
  test(`${concurrency} frames at most are in the codec at once, and the order is kept`, async () => {
    const { codec, waiting, most } = slowCodec()
    const items = Array.from({ length: 12 }, (_, i) => (i % 3 === 2 ? entry(`e${i}`) : piece('full', Buffer.of(i))))
    const found = collect(encode(codec, BACKUP, { concurrency })(items))
    for (let done = 0; done < 8; ) {
      await turns()
      assert.ok(waiting.length > 0)
      done += waiting.length
      // The last one is ready first.
      for (const release of waiting.splice(0).reverse()) release()
    }
    const order = (await found).map(item => (isChunk(item) ? item.bytes[0] : 'path' in item ? item.path : 'end'))
    assert.deepEqual(order.slice(0, 12), [0, 1, 'e2', 3, 4, 'e5', 6, 7, 'e8', 9, 10, 'e11'])
    assert.equal(most(), concurrency)
  })
}

test('an error of the codec ends it and closes the source', async () => {
  const { codec, waiting } = slowCodec()
  const error = new Error('of the codec')
  const items = Array.from({ length: 5 }, (_, i) => piece('full', Buffer.of(i)))
  const source = new WatchedSource(items)
  const found = collect(encode(codec, BACKUP, { concurrency: 2 })(source as AsyncIterable<Piece>))
  found.catch(() => {})
  await turns()
  for (const release of waiting.splice(0)) release(error)
  await assert.rejects(found, thrown => thrown === error)
  assert.equal(source.returns, 1)
})

for (const codec of [none(), gzip(), zstd()]) {
  test(`${codec.name}: each artifact is named, sealed at the end and readable by its seek table`, async () => {
    const bodies = { full: randomBytes(2_500_000, 1), sigvault: Buffer.alloc(1_500_000, 's') }
    const items: Piece[] = []
    for (let at = 0; at < 3; at++) {
      for (const [kind, body] of Object.entries(bodies)) {
        const frame = body.subarray(at << 20, (at + 1) << 20)
        if (frame.length > 0) items.push(piece(kind as Kind, frame))
      }
    }
    const found = await collect(encode(codec, BACKUP)(items))
    const sealed = found.filter(isSealed)
    assert.deepEqual(
      sealed.map(({ name }) => name),
      ['full', 'sigvault'].map(kind => `k.${kind}.${BACKUP.date}.tar${codec.suffix}`)
    )
    for (const { name, kind, sizeBytes, sha256 } of sealed) {
      const chunks = found.filter((item): item is Chunk => isChunk(item) && item.name === name)
      assert.ok(chunks.every(chunk => chunk.kind === kind))
      const stored = Buffer.concat(chunks.map(({ bytes }) => bytes))
      assert.equal(stored.length, sizeBytes)
      assert.equal(createHash('sha256').update(stored).digest('hex'), sha256)
      const body = bodies[kind as keyof typeof bodies]
      assert.ok(
        found.indexOf(chunks.at(-1)!) < found.findIndex(item => item === sealed.find(seal => seal.name === name))
      )
      if (codec.suffix === '') {
        assert.ok(stored.equals(body))
        continue
      }
      const archive = await openArchive(async (start, end) => stored.subarray(start, end), stored.length, codec, name)
      assert.equal(archive.sizeBytes, body.length)
      assert.ok(body.subarray(1_400_000, 1_450_000).equals(await archive.read(1_400_000, 50_000)))
    }
  })
}

test('without a digest, the same is stored, and nothing of it is published', async () => {
  const items = () => [piece('full', randomBytes(1_000_000, 1)), piece('full', Buffer.from('b'))]
  const found = await collect(encode(none(), BACKUP, { digest: false })(items()))
  const [sealed] = found.filter(isSealed)
  const { sha256: digest, ...rest } = (await collect(encode(none(), BACKUP)(items()))).find(isSealed)!
  assert.deepEqual(sealed, { ...rest, sha256: '' })
  assert.notEqual(digest, '')
  const store = memoryStore()
  await assert.rejects(publish(store)(found), code('IBT_STATE_INVALID'))
  assert.deepEqual(await collect(store.list()), [])
})

test('zstd and gzip decode what is stored', oracle('zstd', 'gzip'), async () => {
  const body = randomBytes(3 << 20, 5)
  const items = [0, 1, 2].map(at => piece('full', body.subarray(at << 20, (at + 1) << 20)))
  for (const [codec, command] of [
    [zstd(), 'zstd'],
    [gzip(), 'gzip']
  ] as const) {
    const chunks = (await collect(encode(codec, BACKUP)(items))).filter(isChunk)
    const input = Buffer.concat(chunks.map(({ bytes }) => bytes))
    const { stdout, stderr } = spawnSync(command, ['-dc'], { input, maxBuffer: 1e8 })
    assert.equal(String(stderr), '')
    assert.ok(stdout.equals(body))
  }
})

test('a concurrency that is no positive integer is refused at the call', () => {
  for (const concurrency of [0, -1, 1.5]) assert.throws(() => encode(none(), BACKUP, { concurrency }), RangeError)
})
