import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isBackupError } from '../../src/errors.js'
import { createScanner, loadSignature, type Scanner, type ScanOptions } from '../../src/native.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from './tree.js'

async function scan(bytes: Buffer, options: ScanOptions, step = 1 << 20) {
  const scanner = createScanner(options)
  const parts: Buffer[] = []
  for (let at = 0; at < bytes.length; at += step) parts.push(await scanner.update(bytes.subarray(at, at + step)))
  const result = await scanner.finish()
  return { ...result, delta: Buffer.concat([...parts, result.delta]) }
}

/** The basis with some of it changed, cut out and put in. */
function edited(basis: Buffer): Buffer {
  const third = Math.floor(basis.length / 3)
  return Buffer.concat([
    basis.subarray(0, third),
    randomBytes(1000, 77),
    basis.subarray(third, 2 * third),
    basis.subarray(2 * third + 500)
  ])
}

test('the digest is that of node:crypto whatever the chunks', async () => {
  for (const length of [0, 1, 63, 64, 65, 55, 56, 119, 1 << 20, 3_000_001]) {
    const bytes = randomBytes(length, length + 3)
    const expected = createHash('sha256').update(bytes).digest()
    for (const step of [length < 1000 ? 1 : 4097, 64, 1 << 20, 1 << 22].filter(step => length / step < 2000)) {
      const { sha256, sizeBytes, delta, signature } = await scan(bytes, {}, step)
      assert.ok(sha256.equals(expected), `${length} bytes in steps of ${step}`)
      assert.equal(sizeBytes, length)
      assert.equal(delta.length + signature.length, 0)
    }
  }
})

test('signatures are those of rdiff in every format', oracle('rdiff'), async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'basis')
  const bytes = randomBytes(700_001, 5)
  writeFileSync(path, bytes)
  const cases: [string[], ScanOptions][] = [
    [[], {}],
    [['-b', '1000'], { blockLen: 1000 }],
    [['-b', '2048', '-S', '8'], { blockLen: 2048, strongLen: 8 }],
    [['-S', '-1'], { strongLen: -1 }],
    [['-H', 'md4'], { strong: 'md4' }],
    [['-R', 'rollsum', '-H', 'md4'], { weak: 'rollsum', strong: 'md4' }],
    [['-R', 'rollsum'], { weak: 'rollsum' }]
  ]
  for (const [args, options] of cases) {
    const rdiff = spawnSync('rdiff', [...args, 'signature', path, '-'])
    if (rdiff.status !== 0) continue
    const { signature } = await scan(bytes, { ...options, sign: true, sizeBytes: bytes.length }, 65_537)
    assert.ok(signature.equals(rdiff.stdout), args.join(' '))
  }
})

test('deltas rebuild the content under rdiff, and count their copies', oracle('rdiff'), async t => {
  const directory = temporaryDirectory(t)
  const basis = randomBytes(2_000_000, 9)
  const content = edited(basis)
  writeFileSync(join(directory, 'basis'), basis)
  const { signature } = await scan(basis, { sign: true, sizeBytes: basis.length })
  const loaded = await loadSignature(signature)
  assert.equal(loaded.blockLen, signature.readUInt32BE(4))
  assert.equal(loaded.strongLen, 32)
  assert.equal(loaded.blocks, Math.ceil(basis.length / loaded.blockLen))
  for (const step of [999, 1 << 16, 1 << 22]) {
    const { delta, copies, copiedBytes, sha256 } = await scan(content, { basis: loaded }, step)
    writeFileSync(join(directory, 'delta'), delta)
    const patched = spawnSync('rdiff', ['patch', join(directory, 'basis'), join(directory, 'delta'), '-'], {
      maxBuffer: 1 << 25
    })
    assert.equal(patched.status, 0, String(patched.stderr))
    assert.ok(patched.stdout.equals(content))
    assert.ok(copies >= 2 && copiedBytes > 1_900_000 && copiedBytes < content.length)
    assert.ok(delta.length < 20_000)
    assert.ok(sha256.equals(createHash('sha256').update(content).digest()))
  }
})

test('signature and delta come out of one pass', async () => {
  const basis = randomBytes(300_000, 4)
  const loaded = await loadSignature((await scan(basis, { sign: true, blockLen: 2048 })).signature)
  const content = edited(basis)
  const both = await scan(content, { basis: loaded, sign: true, blockLen: 2048, strongLen: 16 })
  const signatureOnly = await scan(content, { sign: true, blockLen: 2048, strongLen: 16 })
  const deltaOnly = await scan(content, { basis: loaded })
  assert.ok(both.signature.equals(signatureOnly.signature))
  assert.ok(both.delta.equals(deltaOnly.delta))
})

test('without a match there is no copy', async () => {
  const basis = await loadSignature((await scan(randomBytes(50_000, 1), { sign: true })).signature)
  const { copies, copiedBytes, delta } = await scan(randomBytes(50_000, 2), { basis })
  assert.deepEqual([copies, copiedBytes], [0, 0])
  assert.ok(delta.length > 50_000)
})

test('one call at a time', async () => {
  const scanner = createScanner({ sign: true })
  const chunk = randomBytes(1 << 22, 3)
  const first = scanner.update(chunk)
  const isBusy = (error: unknown) => isBackupError(error) && error.code === 'IBT_JOB_BUSY'
  await assert.rejects(scanner.update(chunk), isBusy)
  await assert.rejects(scanner.finish(), isBusy)
  await first
  await scanner.update(chunk)
  const { sizeBytes } = await scanner.finish()
  assert.equal(sizeBytes, 2 * chunk.length)
  await assert.rejects(scanner.update(chunk), error => isBackupError(error) && error.code === 'IBT_NATIVE')
})

test('damaged signatures are told apart', async () => {
  const { signature } = await scan(randomBytes(10_000, 6), { sign: true })
  const fails = (bytes: Buffer, code: string) =>
    assert.rejects(loadSignature(bytes), error => isBackupError(error) && error.code === code)
  const damaged = (at: number, value: number) => {
    const copy = Buffer.from(signature)
    copy.writeUInt32BE(value, at)
    return copy
  }
  await fails(damaged(0, 0x72730236), 'IBT_BAD_MAGIC')
  await fails(damaged(4, 0), 'IBT_SIGNATURE_CORRUPT')
  await fails(damaged(8, 33), 'IBT_SIGNATURE_CORRUPT')
  await fails(damaged(8, 0), 'IBT_SIGNATURE_CORRUPT')
  await fails(signature.subarray(0, signature.length - 1), 'IBT_INPUT_ENDED')
  await fails(signature.subarray(0, 11), 'IBT_INPUT_ENDED')
  await fails(Buffer.alloc(0), 'IBT_INPUT_ENDED')
})

test('chunks of any sizes come to the same', async () => {
  const basis = randomBytes(3_000_000, 11)
  const loaded = await loadSignature((await scan(basis, { sign: true, blockLen: 2048 })).signature)
  const content = edited(basis)
  const expected = await scan(content, { basis: loaded, sign: true, blockLen: 2048 }, content.length)
  const sizes = [0, 1, 65_536, 262_143, 262_144, 1 << 20, (1 << 20) + 1]
  for (let start = 0; start < sizes.length; start++) {
    const scanner = createScanner({ basis: loaded, sign: true, blockLen: 2048 })
    const parts: Buffer[] = []
    for (let at = 0, turn = start; at < content.length; turn++) {
      // What the caller does with a chunk that was taken is no matter.
      const chunk = Buffer.from(content.subarray(at, at + sizes[turn % sizes.length]!))
      parts.push(await scanner.update(chunk))
      at += chunk.length
      chunk.fill(0)
    }
    const { delta, sha256, signature, sizeBytes, copiedBytes } = await scanner.finish()
    assert.ok(Buffer.concat([...parts, delta]).equals(expected.delta))
    assert.ok(sha256.equals(expected.sha256) && signature.equals(expected.signature))
    assert.deepEqual([sizeBytes, copiedBytes], [content.length, expected.copiedBytes])
  }
})

test('an abort while small chunks are gathered ends the scanner', async () => {
  const scanner = createScanner({ sign: true })
  const controller = new AbortController()
  // The job of the first MiB runs on when these have been taken.
  for (let i = 0; i < 17; i++) await scanner.update(randomBytes(1 << 16, i), controller.signal)
  controller.abort()
  await assert.rejects(
    scanner.update(randomBytes(1, 1), controller.signal),
    error => error === controller.signal.reason
  )
  const failed = scanner.finish().then(
    () => assert.fail('it goes on'),
    error => error
  )
  const error: unknown = await failed
  assert.ok(error === controller.signal.reason || (isBackupError(error) && error.code === 'IBT_NATIVE'))
})

test('zeros without memory are zeros, wherever they begin and end', async () => {
  const basis = await loadSignature(await signatureOf(Buffer.alloc(300_000), 4096))
  const content = randomBytes(10_000, 3)
  for (const before of [0, 1, 4095, 4096, 9000]) {
    for (const count of [0, 1, 4095, 4096, 70_000, 200_001]) {
      const scanned = async (zeros: (scanner: Scanner) => Promise<Buffer>) => {
        const scanner = createScanner({ sign: true, basis, blockLen: 4096, strongLen: 16 })
        const delta = [await scanner.update(content.subarray(0, before)), await zeros(scanner)]
        delta.push(await scanner.update(content.subarray(before)))
        const { delta: rest, ...found } = await scanner.finish()
        return { delta: Buffer.concat([...delta, rest]), ...found }
      }
      const wanted = await scanned(scanner => scanner.update(Buffer.alloc(count)))
      assert.deepEqual(await scanned(scanner => scanner.zeros(count)), wanted, `${before} bytes, ${count} zeros`)
    }
  }
})

async function signatureOf(bytes: Buffer, blockLen: number): Promise<Buffer> {
  const signer = createScanner({ sign: true, blockLen })
  await signer.update(bytes)
  return (await signer.finish()).signature
}
