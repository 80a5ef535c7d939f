import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type MapRecordsOptions, mapRecords } from '../../src/interop/index.js'

/** The bytes in pieces that end at random places. */
function* cut(bytes: Buffer, cuts: readonly number[]): Generator<Uint8Array> {
  const ends = [...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  let start = 0
  for (const end of ends) {
    // Memory of its own, which is overwritten when the next piece is asked for.
    const piece = Uint8Array.from(bytes.subarray(start, end))
    yield piece
    piece.fill(0xee)
    start = end
  }
}

async function mapped(
  bytes: Buffer,
  cuts: readonly number[],
  change: (record: string, number: number) => string | undefined,
  options?: MapRecordsOptions
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of mapRecords(change, options)(cut(bytes, cuts))) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const cuts = fc.array(fc.nat(), { maxLength: 8 })

test('records are what splitting gives, wherever the chunks end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.constantFrom('a', 'é', '\n', '\r\n', '😀')), cuts, async (parts, cuts) => {
      const text = parts.join('')
      const records: string[] = []
      const same = await mapped(Buffer.from(text), cuts, (record, number) => {
        assert.equal(number, records.length)
        records.push(record)
        return record
      })
      assert.equal(String(same), text)
      const split = text.split('\n')
      if (split.at(-1) === '') split.pop()
      assert.deepEqual(records, split)
    })
  )
})

test('a quoted separator is a part of its record', async () => {
  const csv = 'a,"one\ntwo",b\n"he said ""yes\n""",c\nlast'
  await fc.assert(
    fc.asyncProperty(cuts, async cuts => {
      const records: string[] = []
      const made = await mapped(Buffer.from(csv), cuts, record => void records.push(record), { quote: '"' })
      assert.deepEqual(records, ['a,"one\ntwo",b', '"he said ""yes\n""",c', 'last'])
      assert.equal(made.length, 0, 'a record that is left out takes its separator along')
    })
  )
})

test('other separators, and bytes of any kind', async () => {
  const bytes = Buffer.from([0xff, 0, 0x61, 0])
  const upper = (record: string) => record.toUpperCase()
  assert.deepEqual(
    await mapped(bytes, [], record => (record === '\u00ff' ? record : upper(record)), {
      separator: '\0',
      encoding: 'latin1'
    }),
    Buffer.from([0xff, 0, 0x41, 0])
  )
  await assert.rejects(mapped(bytes, [], upper, { separator: '\0' }), { code: 'IBT_READ_FAILED', message: /Record 0/ })
})

test('a record that is too long ends the content: nothing passes unseen', async () => {
  const bytes = Buffer.from(`short\n${'x'.repeat(101)}\n`)
  const same = (record: string) => record
  await assert.rejects(mapped(bytes, [50, 80], same, { maxBytes: 100 }), {
    code: 'IBT_READ_FAILED',
    message: /Record 1/
  })
  assert.deepEqual(await mapped(bytes, [50, 80], same, { maxBytes: 101 }), bytes)
  assert.throws(() => mapRecords(same, { separator: '||' }), RangeError)
})
