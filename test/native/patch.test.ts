import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBackupError } from '../../src/errors.js'
import { createBlockPatcher } from '../../src/native/patcher.js'
import { createPatcher, createScanner, loadSignature, patchBytes } from '../../src/native.js'
import { encodeCopies } from '../../src/restore/copies.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from './tree.js'

const isCode = (code: string) => (error: unknown) => isBackupError(error) && error.code === code

async function deltaOf(basis: Buffer, content: Buffer): Promise<Buffer> {
  const signer = createScanner({ sign: true, blockLen: 512 })
  await signer.update(basis)
  const scanner = createScanner({ basis: await loadSignature((await signer.finish()).signature) })
  const start = await scanner.update(content)
  return Buffer.concat([start, (await scanner.finish()).delta])
}

async function patch(basis: number | Buffer, delta: Buffer, step: number, maxBytes: number): Promise<Buffer> {
  const patcher = createPatcher(basis)
  const parts: Buffer[] = []
  for (let at = 0; at < delta.length; at += step) {
    patcher.push(delta.subarray(at, at + step))
    for (;;) {
      const part = await patcher.pull(maxBytes)
      if (part === null) return Buffer.concat(parts)
      assert.ok(part.length <= maxBytes)
      if (part.length === 0) break
      parts.push(part)
    }
  }
  patcher.end()
  return Buffer.concat(parts)
}

const BASIS = randomBytes(200_000, 21)
const CONTENT = Buffer.concat([BASIS.subarray(100_000), randomBytes(3000, 22), BASIS.subarray(0, 90_000)])

test('a delta is applied whatever the sizes of pieces and pulls', async t => {
  const delta = await deltaOf(BASIS, CONTENT)
  const path = join(temporaryDirectory(t), 'basis')
  writeFileSync(path, BASIS)
  const fd = openSync(path, 'r')
  for (const basis of [BASIS, fd]) {
    for (const [step, max] of [
      [7, 1 << 20],
      [1 << 20, 1000],
      [100, 100_000],
      [1 << 20, 1 << 30]
    ] as const) {
      assert.ok((await patch(basis, delta, step, max)).equals(CONTENT))
    }
  }
  closeSync(fd)
  assert.ok((await patchBytes(BASIS, delta, CONTENT.length)).equals(CONTENT))
})

test("rdiff's deltas are applied", oracle('rdiff'), async t => {
  const directory = temporaryDirectory(t)
  const at = (name: string) => join(directory, name)
  writeFileSync(at('basis'), BASIS)
  writeFileSync(at('new'), CONTENT)
  assert.equal(spawnSync('rdiff', ['-b', '512', 'signature', at('basis'), at('sig')]).status, 0)
  const { stdout } = spawnSync('rdiff', ['delta', at('sig'), at('new'), '-'])
  assert.ok((await patchBytes(BASIS, stdout, 1 << 20)).equals(CONTENT))
  assert.ok((await patch(BASIS, stdout, 999, 999)).equals(CONTENT))
})

test('an empty content is an empty output', async () => {
  const delta = await deltaOf(BASIS, Buffer.alloc(0))
  assert.equal((await patchBytes(BASIS, delta, 0)).length, 0)
  assert.equal((await patch(BASIS, delta, 100, 100)).length, 0)
})

test('bytes behind the end are ignored', async () => {
  const delta = Buffer.concat([await deltaOf(BASIS, CONTENT), Buffer.from('more')])
  assert.ok((await patchBytes(BASIS, delta, CONTENT.length)).equals(CONTENT))
})

test('output beyond the limit is refused before it is made', async () => {
  const delta = await deltaOf(BASIS, CONTENT)
  await assert.rejects(patchBytes(BASIS, delta, CONTENT.length - 1), isCode('IBT_DELTA_CORRUPT'))
  const copyAll = Buffer.from([0x72, 0x73, 0x02, 0x36, 0x46, 0, 0xff, 0xff])
  const bomb = Buffer.concat([copyAll.subarray(0, 4), ...Array(100_000).fill(copyAll.subarray(4)), Buffer.of(0)])
  await assert.rejects(patchBytes(BASIS, bomb, 1 << 22), isCode('IBT_DELTA_CORRUPT'))
})

test('damaged deltas are told apart', async () => {
  const delta = await deltaOf(BASIS, CONTENT)
  await assert.rejects(patchBytes(BASIS, delta.subarray(1), 1 << 20), isCode('IBT_BAD_MAGIC'))
  await assert.rejects(patchBytes(BASIS, delta.subarray(0, -1), 1 << 20), isCode('IBT_INPUT_ENDED'))
  await assert.rejects(patchBytes(BASIS, Buffer.alloc(0), 1 << 20), isCode('IBT_INPUT_ENDED'))
  await assert.rejects(patchBytes(BASIS.subarray(0, 150_000), delta, 1 << 20), isCode('IBT_BASIS_MISMATCH'))
  await assert.rejects(patch(BASIS, delta.subarray(0, -1), 1000, 1000), isCode('IBT_INPUT_ENDED'))
  const reserved = Buffer.from([0x72, 0x73, 0x02, 0x36, 0x55])
  await assert.rejects(patchBytes(BASIS, reserved, 1 << 20), isCode('IBT_DELTA_CORRUPT'))
})

test('push before the output is pulled is refused, and so is a second call', async () => {
  const delta = await deltaOf(BASIS, CONTENT)
  const patcher = createPatcher(BASIS)
  patcher.push(delta)
  assert.throws(() => patcher.push(delta), isCode('IBT_JOB_BUSY'))
  const first = patcher.pull(1 << 20)
  assert.throws(() => patcher.push(delta), isCode('IBT_JOB_BUSY'))
  await assert.rejects(patcher.pull(10), isCode('IBT_JOB_BUSY'))
  assert.ok((await first)?.equals(CONTENT))
  assert.equal(await patcher.pull(10), null)
  patcher.end()
})

test('a piece may be changed after it was pushed', async () => {
  const delta = await deltaOf(BASIS, CONTENT)
  const patcher = createPatcher(BASIS)
  const piece = Buffer.from(delta)
  patcher.push(piece)
  piece.fill(0xff)
  assert.ok((await patcher.pull(1 << 20))?.equals(CONTENT))
})

test('a basis that cannot be read says so', async () => {
  const delta = await deltaOf(BASIS, CONTENT)
  const patcher = createPatcher(1_000_000)
  patcher.push(delta)
  await assert.rejects(patcher.pull(1 << 20), error => {
    assert.ok(isCode('IBT_READ_FAILED')(error))
    return (error as Error & { cause: { code: string } }).cause.code === 'EBADF'
  })
  await assert.rejects(patcher.pull(100), isCode('IBT_NATIVE'))
})

test('a patcher that is given parts of its basis asks for what its copies need, and keeps what fits', async () => {
  const basis = randomBytes(100_000, 5)
  const part = (start: number) => basis.subarray(start, start + 10_000)
  const ranges = [5000, 95_000, 5000, 8000, 42_000].map(position => ({ position, sizeBytes: 4000 }))
  const expected = Buffer.concat(
    ranges.map(({ position, sizeBytes }) => basis.subarray(position, position + sizeBytes))
  )
  const patcher = createBlockPatcher(25_000)
  patcher.push(encodeCopies(ranges))
  const given: number[] = []
  const made: Buffer[] = []
  for (;;) {
    const output = await patcher.pull(100_000)
    if (output === null) break
    made.push(output)
    const { needs } = patcher
    if (needs === undefined) continue
    const start = needs.position - (needs.position % 10_000)
    given.push(start)
    patcher.give(start, part(start))
  }
  assert.ok(Buffer.concat(made).equals(expected))
  // The copy from 8000 on needs what comes behind the part that is there, and then goes on in the third.
  assert.deepEqual(given, [0, 90_000, 10_000, 40_000])
})

test('the bytes of long commands are left to who has them', async () => {
  const basis = randomBytes(1_000_000, 7)
  const literal = randomBytes(300_000, 8)
  const content = Buffer.concat([
    basis.subarray(10_000, 500_000),
    literal,
    basis.subarray(700_000),
    basis.subarray(0, 900)
  ])
  const delta = await deltaOf(basis, content)
  for (const step of [delta.length, 200_000, 1000]) {
    const patcher = createBlockPatcher(1_000_000)
    const made: Buffer[] = []
    let left = 0
    for (let at = 0; at < delta.length; at += step) {
      const piece = delta.subarray(at, at + step)
      patcher.push(piece)
      for (;;) {
        const output = await patcher.pull(70_000)
        if (output === null) break
        made.push(output)
        const { needs } = patcher
        if (needs === undefined && output.length === 0) break
        if (needs?.kind === 'give') patcher.give(0, basis)
        if (needs === undefined || needs.kind === 'give') continue
        const from = needs.kind === 'copy' ? basis : piece
        const taken = from.subarray(needs.position, needs.position + Math.min(needs.length, 90_000))
        assert.throws(() => patcher.skip(needs.length + 1), RangeError)
        patcher.skip(taken.length)
        made.push(taken)
        left += taken.length
      }
    }
    patcher.end()
    assert.ok(Buffer.concat(made).equals(content), `pieces of ${step}`)
    assert.ok(left > 700_000, `${left} bytes with pieces of ${step}`)
    assert.throws(() => patcher.skip(1), RangeError)
  }
})
