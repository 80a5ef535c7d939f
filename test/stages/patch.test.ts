import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { PART_BYTES } from '../../src/constants.js'
import type { BackupError } from '../../src/errors.js'
import { createScanner, loadSignature } from '../../src/native.js'
import { patch } from '../../src/stages/patch.js'
import type { Entry, Layer, Layered } from '../../src/types.js'
import { bytesOf, code, collect, entry } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function deltaOf(before: Uint8Array, after: Uint8Array): Promise<Buffer> {
  const signer = createScanner({ sizeBytes: before.length, sign: true, blockLen: 2048, strongLen: 16 })
  await signer.update(before)
  const { signature } = await signer.finish()
  const scanner = createScanner({ basis: await loadSignature(signature) })
  const head = await scanner.update(after)
  return Buffer.concat([head, (await scanner.finish()).delta])
}

/** A stored body, given in pieces of any size. */
function layer(form: Layer['form'], bytes: Uint8Array, pieceBytes = 1 << 20): Layer {
  return {
    form,
    async *open() {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes)
    }
  }
}

function layered(layers: readonly Layer[], content: Uint8Array, rest: Partial<Layered> = {}): Layered {
  return { ...entry('f', { sizeBytes: content.length }), sha256: sha256(content), layers, ...rest }
}

async function patched(item: Layered, spoolDirectory?: string): Promise<Entry> {
  const [found] = await collect(patch({ spoolDirectory })([item]))
  return found!
}

const makeItems = () => [
  entry('d', { type: 'directory' }),
  layered([layer('whole', Buffer.from('a'))], Buffer.from('a'))
]
stageContract('patch', () => patch(), makeItems)

test('a whole content comes as it was stored', async () => {
  for (const body of [Buffer.alloc(0), Buffer.from('body'), randomBytes(PART_BYTES + 1, 1)]) {
    const { content } = await patched(layered([layer('whole', body)], body))
    assert.ok((await bytesOf(content!.open())).equals(body))
  }
})

test('nothing is read before a content is opened', async () => {
  const unread: Layer = { form: 'whole', open: () => assert.fail('opened') }
  const found = await patched(layered([unread], Buffer.from('a')))
  assert.ok(found.content)
})

test('a small content is read at once where its layer can be, and proven', async () => {
  const body = Buffer.from('body')
  const readable: Layer = { form: 'whole', open: () => assert.fail('opened'), read: async () => body }
  const { content } = await patched(layered([readable], body))
  assert.equal(await content!.read!(), body)
  const forged = await patched(layered([readable], Buffer.from('bodY')))
  await assert.rejects(forged.content!.read!(), code('IBT_HASH_MISMATCH'))
  const longer = await patched({ ...layered([readable], body), sizeBytes: 3 })
  await assert.rejects(longer.content!.read!(), code('IBT_HASH_MISMATCH'))
  const chained = await patched(layered([readable, layer('delta', body)], body))
  assert.equal(chained.content!.read, undefined)
})

test('who replaces how a content or a layer is opened gets what that opens', async () => {
  const body = Buffer.from('body')
  const readable: Layer = { form: 'whole', open: () => assert.fail('opened'), read: async () => body }
  const { content } = await patched(layered([readable], body))
  assert.equal({ ...content, open: () => [] }.read, undefined)
})

for (const pieceBytes of [1, 7, 4096]) {
  test(`a chain of deltas makes the newest content, in pieces of ${pieceBytes} bytes`, async () => {
    const layers: Layer[] = []
    let content = randomBytes(50_000, 2)
    layers.push(layer('whole', content, pieceBytes))
    for (let round = 0; round < 5; round++) {
      const at = round * 9000
      const next = Buffer.concat([content.subarray(at), randomBytes(100, round + 3), content.subarray(0, at)])
      layers.push(layer('delta', await deltaOf(content, next), pieceBytes))
      content = next
    }
    const found = await patched(layered(layers, content))
    assert.ok((await bytesOf(found.content!.open())).equals(content))
  })
}

test('versions of large files are spooled without a name and left to nobody', async t => {
  const spool = temporaryDirectory(t)
  const first = randomBytes(PART_BYTES + 1000, 4)
  const second = Buffer.concat([Buffer.from('start'), first])
  const third = Buffer.concat([second, Buffer.from('end')])
  const layers = [
    layer('whole', first),
    layer('delta', await deltaOf(first, second)),
    layer('delta', await deltaOf(second, third))
  ]
  const { content } = await patched(layered(layers, third), spool)
  const open = () => readdirSync('/proc/self/fd').length
  const before = process.platform === 'linux' ? open() : 0
  const hash = createHash('sha256')
  for await (const chunk of content!.open()) {
    assert.deepEqual(readdirSync(spool), [])
    hash.update(chunk)
  }
  assert.equal(hash.digest('hex'), sha256(third))
  for await (const _ of (await patched(layered(layers, third), spool)).content!.open()) break
  if (process.platform === 'linux') assert.equal(open(), before)
})

test('a damaged basis is noticed before the first byte of a small content', async () => {
  const before = randomBytes(100_000, 5)
  const after = Buffer.concat([before, Buffer.from('more')])
  const damaged = Buffer.from(before)
  damaged[50_000]! ^= 1
  const layers = [layer('whole', damaged), layer('delta', await deltaOf(before, after))]
  const { content } = await patched(layered(layers, after))
  let bytes = 0
  await assert.rejects(async () => {
    for await (const chunk of content!.open()) bytes += chunk.length
  }, code('IBT_HASH_MISMATCH'))
  assert.equal(bytes, 0)
})

test('a damaged large content is noticed at its end, one that is too long before', async () => {
  const body = randomBytes(PART_BYTES + 1, 6)
  const damaged = Buffer.from(body)
  damaged[0]! ^= 1
  for (const wrong of [damaged, body.subarray(1), Buffer.concat([body, Buffer.alloc(5 << 20)])]) {
    const { content } = await patched(layered([layer('whole', wrong)], body))
    let bytes = 0
    await assert.rejects(async () => {
      for await (const chunk of content!.open()) bytes += chunk.length
    }, code('IBT_HASH_MISMATCH'))
    assert.ok(bytes <= body.length)
  }
})

test('a delta that is cut, no delta, or of another basis is named, and the file, too', async () => {
  const before = randomBytes(100_000, 7)
  const after = Buffer.concat([before, Buffer.from('more')])
  const delta = await deltaOf(before, after)
  const cases: [Uint8Array, Uint8Array, string][] = [
    [before, delta.subarray(0, -1), 'IBT_INPUT_ENDED'],
    [before, Buffer.alloc(0), 'IBT_INPUT_ENDED'],
    [before, Buffer.from('no delta'), 'IBT_BAD_MAGIC'],
    [before.subarray(0, 50_000), delta, 'IBT_BASIS_MISMATCH']
  ]
  for (const [basis, wrong, expected] of cases) {
    const { content } = await patched(layered([layer('whole', basis), layer('delta', wrong)], after))
    await assert.rejects(bytesOf(content!.open()), (error: BackupError) => {
      assert.deepEqual([error.code, error.path], [expected, 'f'])
      return true
    })
  }
})

test('a content without a digest is not proven', async () => {
  const { content } = await patched(
    layered([layer('whole', Buffer.from('x'))], Buffer.from('a'), { sha256: undefined })
  )
  assert.equal(String(await bytesOf(content!.open())), 'x')
})

test('an error of a stored body passes unchanged', async () => {
  const error = new Error('of the archive')
  const broken: Layer = {
    form: 'delta',
    async *open() {
      yield Buffer.alloc(0)
      throw error
    }
  }
  const { content } = await patched(layered([layer('whole', Buffer.from('a')), broken], Buffer.from('a')))
  await assert.rejects(bytesOf(content!.open()), thrown => thrown === error)
})

test('a content that a stage has given an entry is the one that is restored', async () => {
  const stored = Buffer.from('stored')
  const content = { open: () => [Buffer.from('another')] }
  const [found] = await collect(patch()([layered([layer('whole', stored)], stored, { sizeBytes: 7, content })]))
  assert.equal(found!.content, content)
  const { layers, sha256: digest } = found as Layered
  assert.deepEqual([layers, digest], [undefined, undefined])
})
