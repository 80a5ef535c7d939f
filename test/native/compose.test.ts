import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type BackupError, isBackupError } from '../../src/errors.js'
import { composeBytes, composeDeltas, createScanner, deltaBytes, patchBytes } from '../../src/native.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom, type Random } from '../helpers/random.js'
import { randomBytes, temporaryDirectory } from './tree.js'

const SLOW = process.env.SLOW === '1'
const MAX = 1 << 26
const isCode = (code: string) => (error: unknown) => isBackupError(error) && error.code === code

/** Cuts, inserts, moves and repeats parts. */
function edit(content: Buffer, random: Random): Buffer {
  const parts = [content]
  for (let edits = 1 + random.int(4); edits > 0; edits--) {
    const at = random.int(content.length + 1)
    const moved = content.subarray(at, at + random.int(5000))
    const kind = random.int(4)
    if (kind === 0) parts.push(randomBytes(1 + random.int(3000), random.int(2 ** 31)))
    else if (kind === 1) parts.push(moved)
    else if (kind === 2) parts.unshift(moved)
    else parts.unshift(parts.pop()!.subarray(random.int(300)))
  }
  return Buffer.concat(parts)
}

async function deltaOf(basis: Buffer, content: Buffer, blockLen: number): Promise<Buffer> {
  const signer = createScanner({ sign: true, blockLen })
  await signer.update(basis)
  return (await deltaBytes((await signer.finish()).signature, content)).delta
}

/** Contents, and the deltas from each to the next. */
async function chainOf(length: number, random: Random): Promise<{ contents: Buffer[]; deltas: Buffer[] }> {
  const contents = [randomBytes(random.int(40_000), 1 + random.int(1000))]
  const deltas: Buffer[] = []
  while (deltas.length < length) {
    const basis = contents.at(-1)!
    const content = edit(basis, random)
    deltas.push(await deltaOf(basis, content, [64, 200, 1024][random.int(3)]!))
    contents.push(content)
  }
  return { contents, deltas }
}

function rdiffPatch(t: TestContext, basis: Buffer, delta: Buffer): Buffer {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  writeFileSync(at('basis'), basis)
  writeFileSync(at('delta'), delta)
  const { status, stderr } = spawnSync('rdiff', ['patch', at('basis'), at('delta'), at('out')], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return readFileSync(at('out'))
}

test(
  'what random chains compose to makes what they make one after the other, as rdiff patch sees it',
  oracle('rdiff'),
  async t => {
    for (let seed = 1; seed <= (SLOW ? 200 : 20); seed++) {
      const random = createRandom(seed)
      const { contents, deltas } = await chainOf(seed % 10 === 0 ? 50 : 1 + random.int(12), random)
      const composed = await composeBytes(deltas, MAX)
      assert.ok(rdiffPatch(t, contents[0]!, composed).equals(contents.at(-1)!), `seed ${seed}`)
      const cut = random.int(deltas.length)
      const halves = [deltas.slice(0, cut), deltas.slice(cut)].filter(half => half.length > 0)
      const grouped = await composeBytes(await Promise.all(halves.map(half => composeBytes(half, MAX))), MAX)
      assert.ok(grouped.equals(composed), `seed ${seed}, grouped at ${cut}`)
    }
  }
)

test("rdiff's deltas are composed from files to a file, with literals of any length", oracle('rdiff'), async t => {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const first = randomBytes(400_000, 5)
  const second = Buffer.concat([randomBytes(200_000, 6), first.subarray(0, 300_000)])
  const third = Buffer.concat([second.subarray(50_000, 450_000), randomBytes(100_000, 7), second.subarray(10, 60_000)])
  for (const [i, content] of [first, second, third].entries()) writeFileSync(at(`content${i}`), content)
  for (const i of [0, 1]) {
    assert.equal(spawnSync('rdiff', ['-b', '1000', 'signature', at(`content${i}`), at(`sig${i}`)]).status, 0)
    assert.equal(spawnSync('rdiff', ['delta', at(`sig${i}`), at(`content${i + 1}`), at(`delta${i}`)]).status, 0)
  }
  const stats = await composeDeltas([at('delta0'), at('delta1')], at('composed'))
  const composed = readFileSync(at('composed'))
  assert.equal(stats.outBytes, composed.length)
  assert.equal(stats.inBytes, readFileSync(at('delta0')).length + readFileSync(at('delta1')).length)
  assert.ok(rdiffPatch(t, first, composed).equals(third))
  assert.ok((await composeBytes([readFileSync(at('delta0')), readFileSync(at('delta1'))], MAX)).equals(composed))
  // The literals that are left, and less than a block at each of their ends.
  assert.ok(composed.length < 150_000 + 100_000 + 60_000 + 4000)
})

test('a result of many parts is the same from files as in memory', async t => {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const random = createRandom(50)
  const contents = [randomBytes(5_000_000, 50)]
  const paths: string[] = []
  const deltas: Buffer[] = []
  for (let i = 0; i < 6; i++) {
    const basis = contents.at(-1)!
    const cut = random.int(4_000_000)
    const inserted = randomBytes(random.int(1_500_000), i)
    contents.push(Buffer.concat([basis.subarray(cut), inserted, basis.subarray(0, cut + 1000), Buffer.of(i)]))
    deltas.push(await deltaOf(basis, contents.at(-1)!, 4096))
    paths.push(at(`delta${i}`))
    writeFileSync(paths.at(-1)!, deltas.at(-1)!)
  }
  await composeDeltas(paths, at('composed'))
  const composed = readFileSync(at('composed'))
  assert.ok(composed.length > 2 ** 21)
  assert.ok(composed.equals(await composeBytes(deltas, MAX)))
  assert.ok((await patchBytes(contents[0]!, composed, MAX)).equals(contents.at(-1)!))
})

test('an error names the delta, and the output is whole or not there', async t => {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const { deltas } = await chainOf(3, createRandom(3))
  const paths = deltas.map((delta, i) => {
    writeFileSync(at(`delta${i}`), delta)
    return at(`delta${i}`)
  })
  const names = (code: string, path: string) => (error: unknown) => {
    assert.ok(isCode(code)(error), String(error))
    assert.equal((error as BackupError).path, path)
    assert.ok((error as Error).message.includes(path))
    return true
  }
  writeFileSync(at('beyond'), Buffer.from('727302364d7fffffff0100', 'hex'))
  writeFileSync(at('magic'), deltas[1]!.subarray(1))
  writeFileSync(at('cut'), deltas[1]!.subarray(0, -1))
  await assert.rejects(composeDeltas([paths[0]!, at('beyond')], at('out')), names('IBT_DELTA_CORRUPT', at('beyond')))
  await assert.rejects(composeDeltas([paths[0]!, at('magic')], at('out')), names('IBT_BAD_MAGIC', at('magic')))
  await assert.rejects(composeDeltas([at('cut'), paths[2]!], at('out')), names('IBT_INPUT_ENDED', at('cut')))
  await assert.rejects(composeDeltas([paths[0]!, at('none')], at('out')), names('IBT_READ_FAILED', at('none')))
  await assert.rejects(composeDeltas([paths[0]!, directory], at('out')), names('IBT_READ_FAILED', directory))
  await assert.rejects(composeDeltas(paths, join(directory, 'no', 'out')), isCode('IBT_WRITE_FAILED'))
  await assert.rejects(composeDeltas([], at('out')), TypeError)
  await assert.rejects(composeDeltas(paths, at('out'), AbortSignal.abort(new Error('mine'))), /mine/)
  assert.deepEqual(readdirSync(directory).sort(), ['beyond', 'cut', 'delta0', 'delta1', 'delta2', 'magic'])
})

test('in memory it stops at the limit, and refuses what is no delta', async () => {
  const { deltas } = await chainOf(4, createRandom(4))
  const { length } = await composeBytes(deltas, MAX)
  assert.equal((await composeBytes(deltas, length)).length, length)
  await assert.rejects(composeBytes(deltas, length - 1), isCode('IBT_DELTA_CORRUPT'))
  await assert.rejects(composeBytes([deltas[0]!, Buffer.from('delta')], MAX), /input 2/)
  await assert.rejects(composeBytes([], MAX), TypeError)
  await assert.rejects(composeBytes(['delta'] as unknown as Uint8Array[], MAX), TypeError)
  await assert.rejects(composeBytes(deltas, MAX, AbortSignal.abort(new Error('mine'))), /mine/)
})

test('a delta that ends within a literal is noticed', async t => {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  const literal = Buffer.from('727302364300100000', 'hex')
  writeFileSync(at('a'), Buffer.concat([literal, Buffer.alloc(1 << 20, 1), Buffer.of(0)]))
  await composeDeltas([at('a')], at('out'))
  truncateSync(at('a'), 1000)
  await assert.rejects(composeDeltas([at('a')], at('out')), isCode('IBT_INPUT_ENDED'))
  assert.equal((await patchBytes(Buffer.alloc(0), readFileSync(at('out')), MAX)).length, 1 << 20)
})
