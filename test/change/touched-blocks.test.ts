import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TouchedBlocks } from '../../src/change/touched-blocks.js'
import type { Extent } from '../../src/types.js'
import { createRandom } from '../helpers/random.js'

const ranges = (basisBytes: number, sizeBytes: number, extents: readonly Extent[] = [], maxBytes = 1e9) => {
  const touched = new TouchedBlocks(10, basisBytes, sizeBytes)
  for (const extent of extents) touched.add(extent)
  return Array.from(touched.ranges(maxBytes), ({ start, end }) => `${start}-${end}`).join(' ')
}
const at = (offset: number, sizeBytes: number) => ({ offset, sizeBytes })

test('extents are widened to blocks, merged in any order, and cut at the end', () => {
  assert.equal(ranges(95, 95), '')
  assert.equal(ranges(95, 95, [at(0, 0), at(50, 0)]), '')
  assert.equal(ranges(95, 95, [at(0, 1)]), '0-10')
  assert.equal(ranges(95, 95, [at(9, 1), at(10, 1)]), '0-20')
  assert.equal(ranges(95, 95, [at(40, 10), at(39, 1), at(45, 2)]), '30-50')
  assert.equal(ranges(95, 95, [at(94, 1)]), '90-95')
  assert.equal(ranges(95, 95, [at(89, 1000), at(95, 5), at(5000, Number.MAX_SAFE_INTEGER - 5000)]), '80-95')
  assert.equal(ranges(95, 95, [at(0, 95)], 25), '0-20 20-40 40-60 60-80 80-95')
  assert.equal(ranges(95, 95, [at(0, 25)], 1), '0-10 10-20 20-30')
})

test('what grows is read from the block that ended, what shrinks at the block that ends', () => {
  const sizes = [
    [90, 91],
    [90, 100],
    [91, 95],
    [95, 250],
    [95, 90],
    [95, 91],
    [100, 90],
    [100, 89],
    [91, 90]
  ] as const
  const found = sizes.map(([from, to]) => ranges(from, to))
  assert.deepEqual(found, ['90-91', '90-100', '90-95', '90-250', '', '90-91', '', '80-89', ''])
})

test('an extent that makes no sense is refused', () => {
  for (const extent of [at(-1, 1), at(0, -1), at(0.5, 1), at(0, Number.NaN), at(2 ** 53, 1), at('0' as never, 1)]) {
    assert.throws(() => ranges(95, 95, [extent]), RangeError)
  }
})

test('whatever the extents, the touched blocks are those that they touch', () => {
  const random = createRandom(3)
  for (let run = 0; run < 300; run++) {
    const [basisBytes, sizeBytes] = [1 + random.int(2000), 1 + random.int(2000)]
    const extents = Array.from({ length: random.int(8) }, () =>
      at(random.int(2100), random.int(random.pick([2, 30, 500])))
    )
    const touched = new TouchedBlocks(10, basisBytes, sizeBytes)
    for (const extent of extents) touched.add(extent)
    const found = new Set<number>()
    let bytes = 0
    for (const { start, end } of touched.ranges(70)) {
      bytes += end - start
      for (let block = start / 10; block < end / 10; block++) found.add(block)
    }
    const wanted = new Set<number>()
    for (let block = 0; block * 10 < sizeBytes; block++) {
      const [start, end] = [block * 10, Math.min(sizeBytes, block * 10 + 10)]
      const isOfBasis = Math.min(basisBytes, start + 10) === end
      if (
        !isOfBasis ||
        extents.some(one => one.sizeBytes > 0 && one.offset < end && one.offset + one.sizeBytes > start)
      )
        wanted.add(block)
    }
    assert.deepEqual([...found], [...wanted])
    assert.equal(touched.readBytes, bytes)
  }
})
