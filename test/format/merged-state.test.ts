import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeStateEntry, decodeStateHeader } from '../../src/format/state-decode.js'
import { encodeStateEntry, encodeStateHeader } from '../../src/format/state-encode.js'
import { code } from '../helpers/entries.js'
import { CHAIN_INDEX, DATES, ENTRIES, HEADER } from '../helpers/state-samples.js'

const SHA = 'fedcba9876543210'.repeat(4)
const [A, B] = ['20261029T000000.000Z', '20261031T000000.000Z']
const CHAIN = [...HEADER.chain.slice(0, 2), { date: DATES[2], asOf: B }]
const MERGED = { ...HEADER, chain: CHAIN, standsFor: { date: B, sha256: SHA, after: A } }

test('the header of a merged state says what it stands for', () => {
  assert.deepEqual(decodeStateHeader(encodeStateHeader(MERGED)), MERGED)
  const full = { ...MERGED, standsFor: { date: B, sha256: SHA } }
  assert.deepEqual(decodeStateHeader(encodeStateHeader(full)), full)
})

test('a state on a merged one says which date each link stands for', () => {
  const chain = [{ date: DATES[0], stateSha256: SHA, asOf: B }, { date: DATES[2] }]
  assert.deepEqual(decodeStateHeader(encodeStateHeader({ ...HEADER, chain })).chain, chain)
})

test('a header that contradicts itself is refused', () => {
  for (const header of [
    { ...MERGED, standsFor: undefined },
    { ...MERGED, chain: HEADER.chain },
    { ...MERGED, standsFor: { date: A, sha256: SHA } },
    { ...MERGED, standsFor: { date: B, sha256: SHA, after: B } },
    { ...MERGED, standsFor: { date: B, sha256: 'none' } }
  ])
    assert.throws(() => decodeStateHeader(encodeStateHeader(header)), code('IBT_STATE_INVALID'))
})

test('an entry of a merged state says what its content is known as, in dates that its chain need not have', () => {
  const knownAs = [
    { date: A, in: 'updated', offset: 512 },
    { date: DATES[0], in: 'full', offset: 0 }
  ] as const
  const line = encodeStateEntry({ ...ENTRIES[0]!, knownAs }, CHAIN_INDEX)
  assert.deepEqual(decodeStateEntry(line, HEADER.chain).knownAs, knownAs)
  assert.deepEqual(JSON.parse(line).origin, knownAs)
  const damaged = line.replace(A, '20261341T000000.000Z')
  assert.throws(() => decodeStateEntry(damaged, HEADER.chain), code('IBT_STATE_INVALID'))
})
