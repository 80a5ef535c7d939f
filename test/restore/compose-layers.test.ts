import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { PART_BYTES } from '../../src/constants.js'
import type { BackupError } from '../../src/errors.js'
import { patchBytes } from '../../src/native.js'
import { composeLayers } from '../../src/restore/compose-layers.js'
import { deltaOf, edited, layer } from '../helpers/deltas.js'
import { bytesOf } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const SLOW = process.env.SLOW === '1'
const MAX = 2 ** 30
const openFiles = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0)

/** Contents, and the deltas from each to the next. */
async function chainOf(first: Buffer, length: number, seed: number, editBytes: number) {
  const random = createRandom(seed)
  const contents = [first]
  const deltas: Buffer[] = []
  while (deltas.length < length) {
    contents.push(edited(contents.at(-1)!, random, editBytes))
    deltas.push(await deltaOf(contents.at(-2)!, contents.at(-1)!))
  }
  return { contents, deltas }
}

async function composed(deltas: readonly Uint8Array[], spoolDirectory: string): Promise<Buffer> {
  const layers = deltas.map(delta => layer('delta', delta, 300_000))
  const made = await composeLayers('f', layers, { spoolDirectory })
  try {
    const bytes = await bytesOf(made.open())
    assert.equal(await made.sizeBytes(), bytes.length)
    assert.ok((await bytesOf(made.open())).equals(bytes), 'the second time')
    return bytes
  } finally {
    await made.close()
  }
}

test('what deltas are composed to makes what they make one after the other', async t => {
  const spool = temporaryDirectory(t)
  const before = openFiles()
  for (let seed = 1; seed <= (SLOW ? 40 : 6); seed++) {
    const [length, size, editBytes] = [[200, 40_000, 3000] as const, [7, 600_000, 300_000] as const][seed % 2]!
    const { contents, deltas } = await chainOf(randomBytes(size, seed), length, seed, editBytes)
    const delta = await composed(deltas, spool)
    assert.ok((await patchBytes(contents[0]!, delta, MAX)).equals(contents.at(-1)!), `seed ${seed}`)
  }
  assert.equal(openFiles(), before)
})

for (const [title, sizes] of [
  ['fit into memory only when they are composed', Array(12).fill(PART_BYTES / 4)],
  ['are too long for memory', Array(5).fill(PART_BYTES * 0.7)],
  ['are long and short in turn', Array.from({ length: 14 }, (_, i) => PART_BYTES * (i % 2 === 0 ? 0.4 : 0.6))]
] as const) {
  test(`deltas that ${title} are composed with a bounded spool`, async t => {
    const spool = temporaryDirectory(t)
    const before = openFiles()
    const basis = randomBytes(PART_BYTES * 2, 1)
    let content = basis
    const deltas: Buffer[] = []
    for (const [i, size] of sizes.entries()) {
      // Each overwrites a part of what the one before it has written.
      const at = (i * PART_BYTES) / 16
      const next = Buffer.concat([content.subarray(0, at), randomBytes(size, i + 2), content.subarray(at + size)])
      deltas.push(await deltaOf(content, next))
      content = next
    }
    const delta = await composed(deltas, spool)
    assert.ok((await patchBytes(basis, delta, MAX)).equals(content))
    assert.equal(openFiles(), before)
    assert.deepEqual(readdirSync(spool), [])
  })
}

test('it counts the copies', async t => {
  const [old, other] = [randomBytes(50_000, 1), randomBytes(50_000, 2)]
  const options = { spoolDirectory: temporaryDirectory(t) }
  const whole = layer('delta', await deltaOf(old, other))
  assert.equal((await composeLayers('f', [whole], options)).copies, 0)
  const same = layer('delta', await deltaOf(other, other))
  assert.equal((await composeLayers('f', [same], options)).copies, 1)
  assert.equal((await composeLayers('f', [whole, same], options)).copies, 0)
  const empty = layer('delta', await deltaOf(old, Buffer.alloc(0)))
  assert.equal((await composeLayers('f', [same, empty], options)).copies, 0)
})

test('a wrong delta is named, with its file, and nothing stays open', async t => {
  const spoolDirectory = temporaryDirectory(t)
  const old = randomBytes(PART_BYTES * 2, 3)
  const long = await deltaOf(Buffer.alloc(0), old)
  const same = await deltaOf(old, old)
  const cases: [readonly Uint8Array[], string][] = [
    [[long, same.subarray(0, -1)], 'IBT_INPUT_ENDED'],
    [[long.subarray(0, -1), same], 'IBT_INPUT_ENDED'],
    [[long, Buffer.alloc(0)], 'IBT_INPUT_ENDED'],
    [[Buffer.from('no delta'), same], 'IBT_BAD_MAGIC'],
    [[await deltaOf(old, old.subarray(1)), same], 'IBT_DELTA_CORRUPT']
  ]
  const before = openFiles()
  for (const [deltas, expected] of cases) {
    const layers = deltas.map(delta => layer('delta', delta))
    await assert.rejects(composeLayers('d/f', layers, { spoolDirectory }), (error: BackupError) => {
      assert.deepEqual([error.code, error.path], [expected, 'd/f'])
      return true
    })
  }
  assert.equal(openFiles(), before)
  await assert.rejects(composeLayers('f', [], { spoolDirectory }), TypeError)
})

test('after an abort nothing stays open', async t => {
  const spoolDirectory = temporaryDirectory(t)
  const long = await deltaOf(Buffer.alloc(0), randomBytes(PART_BYTES * 2, 3))
  const before = openFiles()
  const controller = new AbortController()
  const aborting = {
    form: 'delta' as const,
    async *open() {
      yield long.subarray(0, PART_BYTES)
      controller.abort(new Error('mine'))
      yield long.subarray(PART_BYTES)
    }
  }
  const options = { spoolDirectory, signal: controller.signal }
  await assert.rejects(composeLayers('f', [layer('delta', long), aborting], options), /mine/)
  assert.equal(openFiles(), before)
})

test('a spool that cannot be written is said to be the reason', async t => {
  const spoolDirectory = `${temporaryDirectory(t)}/gone`
  const long = layer('delta', await deltaOf(Buffer.alloc(0), randomBytes(PART_BYTES + 1, 3)))
  await assert.rejects(composeLayers('f', [long, long], { spoolDirectory }), (error: BackupError) => {
    assert.deepEqual([error.code, error.path], ['IBT_WRITE_FAILED', spoolDirectory])
    return true
  })
})
