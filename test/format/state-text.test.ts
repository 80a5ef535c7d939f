import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeStateEntry, encodeStateHeader } from '../../src/format/state-encode.js'
import { lineOf } from '../../src/format/state-line.js'
import { openState } from '../../src/format/state-reader.js'
import { StateText } from '../../src/format/state-text.js'
import { comparePaths } from '../../src/path.js'
import type { StateEntry, StateHeader } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { DATES, ENTRIES, encodeState, HEADER } from '../helpers/state-samples.js'

const seed = Number(process.env.SEED ?? 12)
const DATE = '20261104T000000.000Z'
/** Of the backup that comes after the one of `HEADER`. */
const NEXT: StateHeader = { ...HEADER, date: DATE, chain: [...HEADER.chain, { date: DATE }] }

const FILE: StateEntry = {
  ...ENTRIES[0]!,
  path: 'file',
  type: 'file',
  sizeBytes: 3,
  sha256: 'f'.repeat(64),
  places: [
    { date: DATES[0], in: 'full', offset: 0 },
    { date: DATES[1], in: 'updated', offset: 512, sizeBytes: 1 }
  ],
  signature: { date: DATES[2], offset: 512 }
}
const STORED = [...ENTRIES, ...['f', 'g', 'ä', 'é/1', 'z'].map(path => ({ ...FILE, path: `${path}-file` }))].sort(
  (a, b) => comparePaths(a.path, b.path)
)

function* chunks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function readEntries(chunkBytes = 1000): Promise<StateEntry[]> {
  return collect((await openState(chunks(Buffer.from(encodeState(STORED)), chunkBytes))).entries())
}

/** What `StateText` is to gather: nothing copied, all encoded. */
function encoded(header: StateHeader, entries: readonly StateEntry[]): string {
  const index = new Map(header.chain.map(({ date }, i) => [date, i]))
  const lines = entries.map(entry => encodeStateEntry(entry, index))
  return `${encodeStateHeader(header)}\n${lines.join(',\n')}\n`
}

function gathered(header: StateHeader, entries: readonly StateEntry[], takesAt: (i: number) => boolean = () => false) {
  const text = new StateText(header)
  const parts: Buffer[] = []
  for (const [i, entry] of entries.entries()) {
    text.add(entry)
    if (takesAt(i)) parts.push(text.take())
  }
  text.end()
  return String(Buffer.concat([...parts, text.take()]))
}

test('copied lines and encoded ones are the same state, whatever comes between them', async () => {
  const steps = fc.array(fc.constantFrom('keep', 'copy', 'drop', 'add', 'take'), {
    minLength: STORED.length,
    maxLength: STORED.length
  })
  const property = fc.asyncProperty(steps, fc.integer({ min: 50, max: 20_000 }), async (steps, chunkBytes) => {
    const found: StateEntry[] = []
    for (const [i, entry] of (await readEntries(chunkBytes)).entries()) {
      if (steps[i] === 'drop') continue
      found.push(steps[i] === 'copy' ? { ...entry, mode: 0 } : entry)
      if (steps[i] === 'add') found.push({ ...ENTRIES[0]!, path: `${entry.path}+`, ino: 5n })
    }
    assert.equal(
      gathered(NEXT, found, i => steps[i] === 'take'),
      encoded(NEXT, found)
    )
  })
  await fc.assert(property, { seed, numRuns: 300 })
})

test('the lines of another chain are encoded: their numbers are other dates', async () => {
  const entries = await readEntries()
  const chain = [{ date: '20261031T000000.000Z' }, ...NEXT.chain]
  assert.ok(entries.some(entry => lineOf(entry) !== undefined && entry.places !== undefined))
  assert.equal(gathered({ ...NEXT, chain }, entries), encoded({ ...NEXT, chain }, entries))
})

test('a date that is not in the chain is refused', async () => {
  const entry: StateEntry = { ...ENTRIES[0]!, signature: { date: DATES[0], offset: 0 } }
  const chain = [{ date: DATE }]
  assert.throws(() => new StateText({ ...NEXT, chain }).add(entry), { code: 'IBT_STATE_INVALID' })
})

test('the length says when there is enough to take', async () => {
  const text = new StateText(NEXT)
  text.take()
  for (const entry of (await readEntries()).filter(({ path }) => !/[^ -~]/.test(path))) text.add(entry)
  const { length } = text
  assert.ok(length > 1000)
  assert.ok(Math.abs(length - text.take().length) < 200)
  assert.equal(text.length, 0)
})
