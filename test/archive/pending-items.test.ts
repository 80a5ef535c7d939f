import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PendingItems } from '../../src/archive/pending-items.js'
import { PACK_PENDING_ENTRIES } from '../../src/constants.js'
import { toBatch } from '../../src/flow/batches.js'
import type { ArchiveWriter } from '../../src/format/archive-writer.js'
import { entry } from '../helpers/entries.js'

test('the entries of a batch count one by one, and no more when their bytes have gone ahead', () => {
  const writer = { offset: 1, flushedBytes: 0, takePieces: () => [] }
  const pending = new PendingItems([writer as object as ArchiveWriter])
  const batch = toBatch(Array.from({ length: PACK_PENDING_ENTRIES }, () => entry('a')))
  pending.push(batch)
  assert.equal(pending.isFull, false)
  pending.push(entry('b'))
  assert.equal(pending.isFull, true)
  assert.deepEqual([...pending.take()], [])
  writer.flushedBytes = 1
  assert.deepEqual([...pending.take()], [batch, entry('b')])
  assert.equal(pending.isFull, false)
})
