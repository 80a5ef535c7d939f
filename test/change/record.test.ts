import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordLink, recordStored, recordUnstored } from '../../src/change/record.js'
import type { Place, Signed, StateEntry } from '../../src/types.js'
import { stateEntry } from '../helpers/entries.js'

const place: Place = { date: 'D', in: 'full', offset: 0 }
const previous = stateEntry('a', { ctimeNs: 2n, ino: 3n, sizeBytes: 4, sha256: 'abc', places: [place] })

/** The entry as a walk finds it again. */
function found(rest: Partial<Signed> = {}): Signed {
  const { sha256: _, places: __, ...metadata } = previous
  return { ...metadata, change: 'unchanged', previous, ...rest }
}

test('an entry that is as the state has it is kept as the very object, so that its line is', () => {
  assert.equal(recordUnstored(found()), previous)
  const directory = stateEntry('d', { type: 'directory' })
  assert.equal(recordUnstored({ ...directory, change: 'unchanged', previous: directory }), directory)
})

test('an entry of which any fact is new is recorded with that fact', () => {
  const facts: readonly Partial<StateEntry>[] = [
    { mode: 0o600 },
    { uid: 7 },
    { gid: 7 },
    { uname: 'u' },
    { gname: 'g' },
    { mtimeNs: 7n },
    { ctimeNs: 7n },
    { ino: 7n },
    { sparse: true },
    { link: 7 },
    { xattrs: new Map([['user.a', new Uint8Array(1)]]) },
    { dirty: true },
    { racy: true }
  ]
  for (const fact of facts) {
    const recorded = recordUnstored(found(fact))
    assert.deepEqual({ ...recorded, ...fact }, recorded, Object.keys(fact)[0])
    assert.deepEqual([recorded.sha256, recorded.places], ['abc', [place]])
  }
})

test('flags of the last run go, unless they are set again', () => {
  for (const flag of ['dirty', 'racy', 'carried'] as const) {
    const before = { ...previous, [flag]: true }
    assert.equal(recordUnstored(found({ previous: before }))[flag], undefined, flag)
  }
  assert.equal(recordUnstored(found({ carried: true })).carried, true)
})

test('a content whose entry has another path now is where it was, under the path that it has there', () => {
  const moved = [{ ...place, path: 'a' }]
  assert.deepEqual(recordUnstored(found({ path: 'b' })).places, moved)
  const carried = recordUnstored(found({ path: 'b', carried: true }))
  assert.deepEqual([carried.path, carried.carried, carried.places], ['b', true, moved])
  const delta: Place = { date: 'E', in: 'updated', offset: 512 }
  const summary = { sizeBytes: 5, sha256: 'def', copies: 1 }
  const stored = recordStored(found({ path: 'b', change: 'updated' }), summary, { place: delta })
  assert.deepEqual(stored.places, [...moved, delta])
  const first = recordUnstored(found({ path: 'b' }))
  assert.deepEqual(recordLink({ ...found({ path: 'c' }), change: 'updated' }, first).state.places, moved)
})
