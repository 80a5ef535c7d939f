import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { zstd } from '../../src/codec/index.js'
import { FRAME_BYTES } from '../../src/constants.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

const random = createRandom(1)
const text = Buffer.alloc(
  FRAME_BYTES,
  'What is in a state is said line by line, and every line is as long as it has to be.\n'
)

async function storedBytes(frame: Uint8Array): Promise<number> {
  const stored = await zstd().encode(frame)
  const judged = spawnSync('zstd', ['-dcq'], { input: stored, maxBuffer: 2 ** 24 })
  assert.deepEqual(judged.stdout, Buffer.from(frame), judged.stderr.toString())
  assert.deepEqual(Buffer.from(await zstd().decode(stored, frame.length)), Buffer.from(frame))
  return stored.length
}

test('a frame that looks random is stored as it is', oracle('zstd'), async () => {
  const overhead = (length: number) => 9 + 3 * Math.ceil(length / (128 * 1024))
  for (const length of [8192, 100_000, FRAME_BYTES]) {
    assert.equal(await storedBytes(random.bytes(length)), length + overhead(length))
  }
  const noise = Buffer.from(random.bytes(FRAME_BYTES).map(byte => byte & 0x3f))
  const packed = gzipSync(noise).subarray(0, 512 * 1024)
  assert.equal(await storedBytes(packed), packed.length + overhead(packed.length))
})

test('a frame of which a part can be made shorter is compressed', oracle('zstd'), async () => {
  const parts = [0, 0.05, 0.5, 0.95, 1]
  for (const [i, start] of parts.entries()) {
    const share = 0.1
    const begin = Math.floor(Math.max(0, start - share) * FRAME_BYTES)
    const end = Math.floor(Math.min(1, start + share) * FRAME_BYTES)
    const frame = random.bytes(FRAME_BYTES)
    frame.set(text.subarray(begin, end), begin)
    const saved = FRAME_BYTES - (await storedBytes(frame))
    assert.ok(saved > (end - begin) * 0.9, `${saved} bytes saved of ${end - begin} in part ${i}`)
  }
  const sixBits = Buffer.from(random.bytes(FRAME_BYTES).map(byte => byte & 0x3f))
  assert.ok((await storedBytes(sixBits)) < FRAME_BYTES * 0.8)
})

test('what one block or less holds is left to the encoder', oracle('zstd'), async () => {
  for (const length of [0, 1, 4096, 8191]) assert.ok((await storedBytes(random.bytes(length))) <= length + 32)
  assert.ok((await storedBytes(text.subarray(0, 8191))) < 500)
})
