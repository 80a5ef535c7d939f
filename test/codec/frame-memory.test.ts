import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openArchive } from '../../src/codec/archive-reader.js'
import { FrameMemory } from '../../src/codec/frame-memory.js'
import { none } from '../../src/codec/none.js'
import { FRAME_BYTES } from '../../src/constants.js'
import { randomBytes } from '../native/tree.js'

test('archives that share memory let go of what was used the longest ago, and read it again', async () => {
  const memory = new FrameMemory(3 * FRAME_BYTES)
  const stored = [1, 2, 3, 4].map(seed => randomBytes(FRAME_BYTES * 2, seed))
  const reads = stored.map(() => 0)
  const archives = await Promise.all(
    stored.map((bytes, i) => {
      const read = async (start: number, end: number) => {
        reads[i]!++
        return bytes.slice(start, end)
      }
      return openArchive(read, bytes.length, none(), `a${i}`, memory)
    })
  )
  const held = () => archives.filter(archive => archive.held(FRAME_BYTES, 10) !== undefined).length
  for (let round = 0; round < 3; round++) {
    for (const [i, archive] of archives.entries()) {
      const bytes = await archive.read(FRAME_BYTES, FRAME_BYTES)
      assert.ok(stored[i]!.subarray(FRAME_BYTES).equals(bytes))
      assert.ok(held() <= 3, `${held()} frames`)
    }
  }
  assert.deepEqual(reads, [3, 3, 3, 3])
  const few = archives.slice(0, 3)
  for (const archive of [...few, ...few]) await archive.read(FRAME_BYTES, 10)
  assert.equal(held(), 3)
})

test('one archive that needs more than there is has it all the same', async () => {
  const bytes = randomBytes(FRAME_BYTES * 3, 1)
  const read = async (start: number, end: number) => bytes.slice(start, end)
  const archive = await openArchive(read, bytes.length, none(), 'a', new FrameMemory(1))
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    assert.ok(bytes.subarray(at, at + 10).equals(await archive.read(at, 10)))
  }
})
