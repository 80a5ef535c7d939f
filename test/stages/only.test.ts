import assert from 'node:assert/strict'
import { test } from 'node:test'
import { only } from '../../src/stages/only.js'
import type { Kind } from '../../src/types.js'
import { collect, file } from '../helpers/entries.js'
import { stageContract } from '../helpers/stage-contract.js'

const KINDS: readonly Kind[] = ['full', 'created', 'updated', 'sigvault', 'state']

function items(): object[] {
  return KINDS.flatMap(kind => [
    { item: 'piece', kind, frame: Buffer.from(`frame of ${kind}`) },
    { item: 'chunk', name: `a.${kind}`, kind, bytes: Buffer.from(`bytes of ${kind}`) },
    { item: 'sealed', name: `a.${kind}`, kind, sizeBytes: 1, sha256: '' },
    file('a', 'content'),
    { item: 'counted', totals: {} }
  ])
}

for (const kind of KINDS) {
  test(`the frames and bytes of ${kind} come out, and nothing else`, async () => {
    const bytes = await collect(only(kind)(items()))
    assert.deepEqual(bytes.map(String), [`frame of ${kind}`, `bytes of ${kind}`])
  })
}

test('bytes are handed on, not copied', async () => {
  const piece = { item: 'piece', kind: 'full', frame: Buffer.from('frame') }
  const [bytes] = await collect(only('full')([piece]))
  assert.equal(bytes, piece.frame)
})

test('what is no kind of artifact is refused at the call', () => {
  assert.throws(() => only(undefined as never), TypeError)
  assert.throws(() => only('ful' as never), TypeError)
})

/** The contract's marks are pieces: every item that is unknown to this stage is dropped. */
stageContract('only', () => only('full'), items, {
  makeMark: () => ({ item: 'piece', kind: 'full', frame: Buffer.from('mark') }),
  markOutput: mark => (mark as { frame: Uint8Array }).frame
})
