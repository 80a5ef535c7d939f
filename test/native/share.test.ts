import assert from 'node:assert/strict'
import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  statfsSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { makeHole, shareBlocks } from '../../src/native/share.js'
import { loopMount } from '../helpers/loop-mount.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from './tree.js'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
const SIZE = 40 * MIB
const CONTENT = randomBytes(SIZE, 1)

function open(t: TestContext, path: string, bytes: Uint8Array = new Uint8Array(0)): number {
  const fd = openSync(path, 'wx+')
  t.after(() => closeSync(fd))
  writeSync(fd, bytes)
  fsyncSync(fd)
  return fd
}

function bytesAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  return bytes.subarray(0, readSync(fd, bytes, 0, length, position))
}

const CASES: Record<string, (t: TestContext, root: string, block: number) => Promise<void>> = {
  'the whole blocks of a range take no space, and no later write shows': async (t, root, block) => {
    const from = open(t, join(root, 'from'), CONTENT)
    const to = open(t, join(root, 'to'))
    const free = () => statfsSync(root).bfree * block
    const before = free()
    const shared = await shareBlocks({ fd: from, at: 1 }, { fd: to, at: 1 }, SIZE - 2)
    assert.deepEqual(shared, { start: block - 1, sizeBytes: SIZE - 2 * block, error: undefined })
    writeSync(from, randomBytes(MIB, 2), 0, MIB, 20 * MIB)
    fsyncSync(to)
    assert.ok(bytesAt(to, block, SIZE - 2 * block).equals(CONTENT.subarray(block, SIZE - block)))
    assert.ok(before - free() < 4 * MIB, `${before - free()} bytes`)
    // One byte more than whole blocks apart: no block has the bytes of another.
    const moved = await shareBlocks({ fd: from, at: 1 }, { fd: to, at: SIZE }, MIB)
    assert.deepEqual([moved.sizeBytes, moved.error], [0, undefined])
    for (const sizeBytes of [0, 1, block - 1]) {
      assert.equal((await shareBlocks({ fd: from, at: 0 }, { fd: to, at: SIZE }, sizeBytes)).sizeBytes, 0)
    }
    const one = await shareBlocks({ fd: from, at: 0 }, { fd: to, at: SIZE }, block)
    assert.deepEqual(one, { start: 0, sizeBytes: block, error: undefined })
  },
  'behind 4 GiB too, and holes stay holes': async (t, root) => {
    const from = open(t, join(root, 'from'))
    ftruncateSync(from, 9 * GIB)
    writeSync(from, 'data', 5 * GIB + 3)
    const to = open(t, join(root, 'to'))
    const shared = await shareBlocks({ fd: from, at: 0 }, { fd: to, at: 4 * GIB }, 9 * GIB)
    assert.deepEqual(shared, { start: 0, sizeBytes: 9 * GIB, error: undefined })
    assert.equal(bytesAt(to, 9 * GIB + 2, 6).toString(), '\0data\0')
    assert.ok(fstatSync(to).blocks * 512 < MIB)
  },
  'after an error a file ends where its shared blocks do': async (t, root) => {
    const from = open(t, join(root, 'from'), CONTENT)
    const to = open(t, join(root, 'to'))
    const { start, sizeBytes, error } = await shareBlocks({ fd: from, at: 0 }, { fd: to, at: 0 }, SIZE + MIB)
    assert.deepEqual([start, error?.code, error?.syscall], [0, 'EINVAL', 'ioctl'])
    assert.ok(sizeBytes > 0 && sizeBytes < SIZE, `${sizeBytes} bytes`)
    assert.equal(fstatSync(to).size, sizeBytes)
    assert.ok(bytesAt(to, 0, SIZE).equals(CONTENT.subarray(0, sizeBytes)))
  },
  'blocks of zeros are given back, unless they are a hole': async (t, root, block) => {
    const fd = open(t, join(root, 'file'), new Uint8Array(3 * MIB))
    writeSync(fd, 'end', 3 * MIB)
    fsyncSync(fd)
    const before = fstatSync(fd).blocks
    assert.equal(await makeHole({ fd, at: MIB + 1 }, MIB), true)
    assert.equal((before - fstatSync(fd).blocks) * 512, MIB - block)
    assert.equal(await makeHole({ fd, at: MIB + 1 }, MIB), false)
    for (const sizeBytes of [0, 1, block - 1]) assert.equal(await makeHole({ fd, at: 0 }, sizeBytes), false)
    assert.ok(bytesAt(fd, 0, 3 * MIB).every(byte => byte === 0))
    assert.equal(bytesAt(fd, 3 * MIB, 10).toString(), 'end')
  }
}

for (const kind of ['btrfs', 'xfs'] as const) {
  test(`blocks are shared on ${kind}`, oracle('mount', 'umount', `mkfs.${kind}`), async t => {
    const mounted = loopMount(t, kind)
    if (mounted === undefined) return
    const block = statfsSync(mounted).bsize
    for (const [title, use] of Object.entries(CASES)) {
      const root = join(mounted, title)
      mkdirSync(root)
      await t.test(title, inner => use(inner, root, block))
    }
  })
}

test(
  'a file system that cannot share says so, and nothing is written',
  oracle('mount', 'umount', 'mkfs.ext4'),
  async t => {
    const root = loopMount(t, 'ext4')
    if (root === undefined) return
    const to = open(t, join(root, 'to'), CONTENT.subarray(0, 100))
    const from = open(t, join(root, 'from'), CONTENT)
    const shared = await shareBlocks({ fd: from, at: 0 }, { fd: to, at: 4096 }, MIB)
    assert.deepEqual([shared.sizeBytes, shared.error?.code], [0, 'ENOTSUP'])
    assert.ok(bytesAt(to, 0, MIB).subarray(0, 100).equals(CONTENT.subarray(0, 100)))
  }
)

test('an abort ends sharing with its reason, and leaves no descriptor', async t => {
  const root = temporaryDirectory(t)
  const range = { fd: open(t, join(root, 'from'), CONTENT), at: 0 }
  const to = { fd: open(t, join(root, 'to')), at: 0 }
  const descriptors = () => readdirSync('/proc/self/fd').length
  const before = process.platform === 'linux' ? descriptors() : 0
  const reason = new Error('enough')
  await assert.rejects(shareBlocks(range, to, SIZE, AbortSignal.abort(reason)), error => error === reason)
  const controller = new AbortController()
  const jobs = Array.from({ length: 20 }, () => shareBlocks(range, to, SIZE, controller.signal))
  controller.abort(reason)
  for (const job of jobs) await assert.rejects(job, error => error === reason)
  if (process.platform === 'linux') assert.equal(descriptors(), before)
})

test('descriptors that are closed, and files that cannot be written to, are an error of the system', async t => {
  const root = temporaryDirectory(t)
  const from = { fd: open(t, join(root, 'from'), CONTENT), at: 0 }
  const closed = { fd: 1_000_000, at: 0 }
  assert.equal((await shareBlocks(closed, closed, MIB)).error?.code, 'EBADF')
  const readOnly = openSync(join(root, 'from'), 'r')
  t.after(() => closeSync(readOnly))
  await assert.rejects(shareBlocks(from, { fd: readOnly, at: 0 }, MIB), { code: 'IBT_WRITE_FAILED' })
  assert.equal(await makeHole(closed, MIB), false)
})
