import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeSparseMap, EXTENTS_MAX, encodeSparseMap } from '../../src/format/sparse-map.js'

const CORRUPT = { code: 'IBT_ARCHIVE_CORRUPT' }

/** Extents in order from gaps and lengths, and the size of a file that ends some bytes behind them. */
const sparseFiles = fc
  .tuple(fc.array(fc.tuple(fc.nat(2 ** 40), fc.integer({ min: 1, max: 2 ** 40 })), { maxLength: 300 }), fc.nat(5))
  .map(([parts, tail]) => {
    let end = 0
    const extents = parts.map(([gap, sizeBytes]) => {
      const offset = end + gap
      end = offset + sizeBytes
      return { offset, sizeBytes }
    })
    return { extents, sizeBytes: end + tail }
  })

test('a map comes back, and says how long it is', () => {
  fc.assert(
    fc.property(sparseFiles, ({ extents, sizeBytes }) => {
      const map = encodeSparseMap(extents, sizeBytes)
      assert.equal(map.length % 512, 0)
      const body = Buffer.concat([map, Buffer.from('7\n1\n')])
      assert.deepEqual(decodeSparseMap(body, sizeBytes), { extents, mapBytes: map.length })
    }),
    { seed: 1, numRuns: 500 }
  )
})

test('a part of a map is not one yet', () => {
  const extents = Array.from({ length: 200 }, (_, i) => ({ offset: i * 10_000, sizeBytes: 5000 }))
  const map = encodeSparseMap(extents, 3_000_000)
  for (let length = 0; length < map.length; length += 37) {
    assert.equal(decodeSparseMap(map.subarray(0, length), 3_000_000), undefined, String(length))
  }
})

for (const [what, text] of [
  ['no number', 'x\n'],
  ['a negative number', '1\n-1\n5\n'],
  ['an endless number', '9'.repeat(600)],
  ['a number beyond 2^53', '1\n9007199254740993\n1\n'],
  ['more extents than there may be', `${EXTENTS_MAX + 2}\n`],
  ['an extent behind the end', '1\n90\n11\n'],
  ['extents that overlap', '2\n0\n10\n9\n1\n'],
  ['extents out of order', '2\n50\n10\n0\n1\n']
] as const) {
  test(`a map with ${what} is corrupt`, () => {
    const block = Buffer.alloc(Math.ceil(text.length / 512) * 512)
    block.write(text)
    assert.throws(() => decodeSparseMap(block, 100), CORRUPT)
  })
}

test('no bytes make the reader fail in another way', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...'0123456789\n\n\n\0-'), { maxLength: 400 }), characters => {
      try {
        decodeSparseMap(Buffer.from(characters.join('')), 1_000_000)
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'IBT_ARCHIVE_CORRUPT')
      }
    }),
    { seed: 2, numRuns: 5000 }
  )
})
