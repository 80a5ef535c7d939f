import assert from 'node:assert/strict'
import { test } from 'node:test'
import { recordKept } from '../../src/change/record.js'
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
  assert.equal(recordKept(found()), previous)
  const directory = stateEntry('d', { type: 'directory' })
  assert.equal(recordKept({ ...directory, change: 'unchanged', previous: directory }), directory)
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
    const recorded = recordKept(found(fact))
    assert.deepEqual({ ...recorded, ...fact }, recorded, Object.keys(fact)[0])
    assert.deepEqual([recorded.sha256, recorded.places], ['abc', [place]])
  }
})

test('flags of the last run go, unless they are set again', () => {
  for (const flag of ['dirty', 'racy', 'carried'] as const) {
    const before = { ...previous, [flag]: true }
    assert.equal(recordKept(found({ previous: before }))[flag], undefined, flag)
  }
  assert.equal(recordKept(found({ carried: true })).carried, true)
})
