import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PART_BYTES } from '../../src/constants.js'
import type { BackupError } from '../../src/errors.js'
import { PatchedContent } from '../../src/restore/patched.js'
import type { Layer } from '../../src/types.js'
import { deltaOf, edited, layer } from '../helpers/deltas.js'
import { bytesOf, code, entry } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom, type Random } from '../helpers/random.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const SLOW = process.env.SLOW === '1'
const BLOCK_BYTES = 1 << 20
const openFiles = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0)

function contentOf(layers: readonly Layer[], content: Uint8Array, spoolDirectory: string, signal?: AbortSignal) {
  const sha256 = createHash('sha256').update(content).digest('hex')
  const item = { ...entry('d/f', { sizeBytes: content.length }), sha256, layers }
  return new PatchedContent(item, layers, { spoolDirectory, signal })
}

/** A whole body that can be read at any position, and which of its blocks were. */
function seekable(bytes: Uint8Array): Layer & { readonly asked: number[]; opened: number } {
  const whole = layer('whole', bytes)
  return {
    ...whole,
    asked: [],
    opened: 0,
    open() {
      this.opened++
      return whole.open()
    },
    async blocks() {
      return {
        sizeBytes: bytes.length,
        at: async position => {
          const start = position - (position % BLOCK_BYTES)
          this.asked.push(start / BLOCK_BYTES)
          return { start, bytes: bytes.subarray(start, start + BLOCK_BYTES) }
        }
      }
    }
  }
}

/** A delta that copies parts of its basis in an order, and the content that it makes. */
async function reordered(basis: Buffer, order: readonly number[], partBytes: number) {
  const content = Buffer.concat(order.map(i => basis.subarray(i * partBytes, (i + 1) * partBytes)))
  return { content, delta: await deltaOf(basis, content, partBytes) }
}

/** Another order of the numbers below a count. */
function shuffled(count: number, random: Random): number[] {
  const order = Array.from({ length: count }, (_, i) => i)
  for (let i = count - 1; i > 0; i--) {
    const j = random.int(i + 1)
    ;[order[i], order[j]] = [order[j]!, order[i]!]
  }
  return order
}

/** Random edits, some of which leave nothing, or nothing of what was there. */
async function chainOf(first: Buffer, length: number, random: Random, editBytes: number) {
  const contents = [first]
  const deltas: Buffer[] = []
  while (deltas.length < length) {
    const kind = random.int(30)
    const next =
      kind === 0
        ? Buffer.alloc(0)
        : kind === 1
          ? randomBytes(1 + random.int(first.length + 1), random.int(2 ** 31))
          : edited(contents.at(-1)!, random, editBytes)
    deltas.push(await deltaOf(contents.at(-1)!, next, [512, 2048][random.int(2)]!))
    contents.push(next)
  }
  return { contents, deltas }
}

test('a chain of random edits makes what rdiff patch makes of it, delta by delta', oracle('rdiff'), async t => {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  for (let seed = 1; seed <= (SLOW ? 30 : 5); seed++) {
    const random = createRandom(seed)
    const isLarge = seed % 5 === 0
    const first = randomBytes(isLarge ? PART_BYTES + 12_345 : random.int(60_000), seed)
    const { contents, deltas } = await chainOf(first, 1 + random.int(8), random, isLarge ? 2_000_000 : 4000)
    writeFileSync(at('0'), first)
    for (const [i, delta] of deltas.entries()) {
      writeFileSync(at('delta'), delta)
      const patched = spawnSync('rdiff', ['patch', '--force', at(`${i % 2}`), at('delta'), at(`${(i + 1) % 2}`)])
      assert.equal(patched.status, 0, String(patched.stderr))
    }
    const judged = readFileSync(at(`${deltas.length % 2}`))
    assert.ok(judged.equals(contents.at(-1)!))
    for (const whole of [layer('whole', first, 10_000), seekable(first)]) {
      const layers = [whole, ...deltas.map(delta => layer('delta', delta, 5000))]
      assert.ok((await bytesOf(contentOf(layers, judged, directory).open())).equals(judged), `seed ${seed}`)
    }
  }
})

test('two hundred deltas make the last content, with empty ones and others without a copy among them', async t => {
  const spool = temporaryDirectory(t)
  const before = openFiles()
  const { contents, deltas } = await chainOf(randomBytes(50_000, 7), 200, createRandom(7), 3000)
  assert.ok(contents.some(({ length }) => length === 0))
  const layers = [layer('whole', contents[0]!), ...deltas.map(delta => layer('delta', delta))]
  const made = await bytesOf(contentOf(layers, contents.at(-1)!, spool).open())
  assert.ok(made.equals(contents.at(-1)!))
  assert.equal(openFiles(), before)
})

test('of a large basis each block that is copied is read once, also from its end to its begin', async t => {
  const spool = temporaryDirectory(t)
  const basis = randomBytes(24 * BLOCK_BYTES, 8)
  const blocks = Array.from({ length: 24 }, (_, i) => i)
  const parts = Array.from({ length: 24 * 16 }, (_, i) => i)
  for (const order of [parts, parts.toReversed(), parts.filter(i => i < 32 || i > 300)]) {
    const { content, delta } = await reordered(basis, order, BLOCK_BYTES / 16)
    const whole = seekable(basis)
    for (const deltas of [[delta], [delta, await deltaOf(content, content, 4096)]]) {
      whole.asked.splice(0)
      const layers = [whole, ...deltas.map(bytes => layer('delta', bytes))]
      assert.ok((await bytesOf(contentOf(layers, content, spool).open())).equals(content))
      const wanted = blocks.filter(block => order.some(part => Math.floor(part / 16) === block))
      assert.deepEqual(
        whole.asked.toSorted((a, b) => a - b),
        wanted
      )
    }
    assert.equal(whole.opened, 0)
  }
})

test('a large basis whose copies jump is spooled, and not read over and over', async t => {
  const spool = temporaryDirectory(t)
  const before = openFiles()
  const basis = randomBytes(24 * BLOCK_BYTES, 9)
  const { content, delta } = await reordered(basis, shuffled(24 * 16, createRandom(9)), BLOCK_BYTES / 16)
  const whole = seekable(basis)
  const made = await bytesOf(contentOf([whole, layer('delta', delta)], content, spool).open())
  assert.ok(made.equals(content))
  assert.equal(whole.opened, 0)
  assert.ok(whole.asked.length <= 24, `${whole.asked.length} blocks`)
  assert.equal(openFiles(), before)
  assert.deepEqual(readdirSync(spool), [])
})

test('who stops in the middle leaves no file open', async t => {
  const spool = temporaryDirectory(t)
  const before = openFiles()
  const basis = randomBytes(3 * PART_BYTES, 10)
  const { content, delta } = await reordered(basis, shuffled(3 * 128, createRandom(10)), BLOCK_BYTES / 16)
  const other = await deltaOf(content, randomBytes(PART_BYTES, 11))
  const layers = [seekable(basis), layer('delta', delta), layer('delta', other), layer('delta', delta)]
  for await (const _ of contentOf([layers[0]!, layers[1]!], content, spool).open()) break
  assert.equal(openFiles(), before)
  const controller = new AbortController()
  const aborting: Layer = {
    form: 'delta',
    async *open() {
      yield* layer('delta', other).open()
      controller.abort(new Error('mine'))
    }
  }
  const aborted = contentOf([layers[0]!, layers[1]!, aborting, layers[3]!], content, spool, controller.signal)
  await assert.rejects(bytesOf(aborted.open()), /mine/)
  assert.equal(openFiles(), before)
  assert.deepEqual(readdirSync(spool), [])
})

test('a damaged delta of a large file is named, with the file, and nothing stays open', async t => {
  const spool = temporaryDirectory(t)
  const before = openFiles()
  const basis = randomBytes(2 * PART_BYTES, 12)
  const same = await deltaOf(basis, basis, 4096)
  const end = randomBytes(PART_BYTES, 13)
  const beyond = await deltaOf(Buffer.concat([basis, end]), end, 4096)
  const cases: [readonly Uint8Array[], string][] = [
    [[same.subarray(0, -1)], 'IBT_INPUT_ENDED'],
    [[same, same.subarray(0, -1), same], 'IBT_INPUT_ENDED'],
    [[same, Buffer.from('no delta')], 'IBT_BAD_MAGIC'],
    [[beyond], 'IBT_BASIS_MISMATCH'],
    [[same, beyond], 'IBT_DELTA_CORRUPT']
  ]
  for (const [deltas, expected] of cases) {
    const layers = [seekable(basis), ...deltas.map(delta => layer('delta', delta))]
    await assert.rejects(bytesOf(contentOf(layers, basis, spool).open()), (error: BackupError) => {
      assert.deepEqual([error.code, error.path], [expected, 'd/f'])
      return true
    })
  }
  const other = contentOf([seekable(basis), layer('delta', same)], Buffer.concat([basis, Buffer.from('x')]), spool)
  await assert.rejects(bytesOf(other.open()), code('IBT_HASH_MISMATCH'))
  assert.equal(openFiles(), before)
})

test('an abort ends a content at once, wherever what it is made of is parked', async t => {
  const spool = temporaryDirectory(t)
  const before = openFiles()
  const basis = randomBytes(3 * PART_BYTES, 20)
  const { content, delta } = await reordered(basis, shuffled(3 * 128, createRandom(20)), BLOCK_BYTES / 16)
  const other = await deltaOf(content, randomBytes(2 * PART_BYTES, 21))
  const reason = new Error('mine')
  const never = () => new Promise<never>(() => {})
  /** Gives half of its bytes, aborts, and then nothing ever happens. */
  const parked = (form: Layer['form'], bytes: Uint8Array, controller: AbortController): Layer => ({
    form,
    async *open() {
      yield bytes.subarray(0, bytes.length >> 1)
      controller.abort(reason)
      await never()
    }
  })
  const blocks = seekable(basis)
  const cases: readonly ((controller: AbortController) => readonly Layer[])[] = [
    controller => [layer('whole', basis.subarray(0, 1000)), parked('delta', other, controller)],
    controller => [blocks, layer('delta', delta), parked('delta', other, controller)],
    controller => [parked('whole', basis, controller), layer('delta', delta)],
    controller => [
      {
        ...blocks,
        blocks: async () => ({
          sizeBytes: basis.length,
          at: () => {
            controller.abort(reason)
            return never()
          }
        })
      },
      layer('delta', delta)
    ]
  ]
  for (const [i, layers] of cases.entries()) {
    const controller = new AbortController()
    const made = contentOf(layers(controller), content, spool, controller.signal)
    await assert.rejects(bytesOf(made.open()), error => error === reason, `case ${i}`)
    assert.equal(openFiles(), before, `case ${i}`)
  }
})
