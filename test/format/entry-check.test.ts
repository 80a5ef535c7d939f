import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EntryCheck } from '../../src/format/entry-check.js'
import { comparePaths } from '../../src/path.js'
import type { StateEntry } from '../../src/types.js'
import { code, directory, stateEntry } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'

const root = directory('.')

function check(...entries: readonly StateEntry[]): void {
  const entryCheck = new EntryCheck()
  for (const entry of entries) entryCheck.add(entry)
}

const refuses = (expected: string, ...entries: readonly StateEntry[]) =>
  assert.throws(() => check(...entries), code(expected))

test('a tree in path order passes', () => {
  check(
    root,
    stateEntry('a'),
    directory('d'),
    stateEntry('d/a'),
    directory('d/e'),
    stateEntry('d/f'),
    stateEntry('d.x')
  )
  check()
})

test('order, duplicates and missing directories are refused', () => {
  refuses('IBT_OUT_OF_ORDER', root, stateEntry('b'), stateEntry('a'))
  refuses('IBT_OUT_OF_ORDER', root, stateEntry('a'), stateEntry('a'))
  refuses('IBT_OUT_OF_ORDER', root, directory('d'), stateEntry('d.x'), stateEntry('d/a'))
  refuses('IBT_OUT_OF_ORDER', root, root)
  refuses('IBT_UNSAFE_PATH', stateEntry('a'))
  refuses('IBT_UNSAFE_PATH', root, stateEntry('d/a'))
  refuses('IBT_UNSAFE_PATH', root, directory('d'), stateEntry('d/e/a'))
  refuses('IBT_UNSAFE_PATH', root, stateEntry('d'), stateEntry('d/a'))
  refuses('IBT_UNSAFE_PATH', root, stateEntry('d', { type: 'symlink', linkname: 'x' }), stateEntry('d/a'))
  refuses('IBT_UNSAFE_PATH', root, directory('d'), stateEntry('d.x'), stateEntry('dd/a'))
  refuses('IBT_STATE_INVALID', stateEntry('.'))
})

test('a part of a state is checked behind the entry that comes before it', () => {
  const tree = [
    root,
    directory('a'),
    stateEntry('a/x'),
    directory('d'),
    directory('d/e'),
    stateEntry('d/e/f'),
    stateEntry('d/g')
  ]
  for (let cut = 1; cut < tree.length; cut++) {
    const rest = new EntryCheck(tree[cut - 1])
    for (const entry of tree.slice(cut)) rest.add(entry)
    assert.throws(() => new EntryCheck(tree[cut - 1]).add(tree[cut - 1]!), code('IBT_OUT_OF_ORDER'))
  }
  assert.throws(() => new EntryCheck(stateEntry('a/x')).add(stateEntry('d/g')), code('IBT_UNSAFE_PATH'))
  assert.throws(() => new EntryCheck(stateEntry('a')).add(stateEntry('a/b')), code('IBT_UNSAFE_PATH'))
})

test('names that lead elsewhere are refused', () => {
  for (const path of ['/a', '../a', 'd/../a', 'a/', 'd//a', './a', '', '..', 'a\0b', 'd/.'])
    refuses('IBT_UNSAFE_PATH', root, directory('d'), stateEntry(path))
  refuses('IBT_NAME_INVALID', root, stateEntry('a\ud800'))
})

const IMPOSSIBLE: readonly Partial<Record<keyof StateEntry, unknown>>[] = [
  { mode: -1 },
  { mode: 0o10000 },
  { mode: 1.5 },
  { mode: undefined },
  { uid: 2 ** 32 },
  { uid: -2 },
  { gid: Number.NaN },
  { gid: '0' },
  { mtimeNs: 2n ** 63n },
  { mtimeNs: -(2n ** 63n) - 1n },
  { mtimeNs: 5 },
  { ctimeNs: 2n ** 63n },
  { ino: -1n },
  { ino: 2n ** 64n },
  { sizeBytes: -1 },
  { sizeBytes: 2 ** 53 },
  { sizeBytes: 1 },
  { link: -1 },
  { devMajor: 2 ** 32 },
  { devMinor: -1 },
  { uname: 'a\0' },
  { gname: 5 },
  { type: 'door' },
  { type: 'symlink' },
  { type: 'symlink', linkname: '' },
  { linkname: 'a\0b' },
  { sha256: 'A'.repeat(64) },
  { xattrs: new Map([['', new Uint8Array(1)]]) },
  { xattrs: new Map([['user.a', 'text']]) },
  { xattrs: { 'user.a': new Uint8Array(1) } },
  { sizeBytes: 1, places: [{ date: '', in: 'full', offset: -1 }] },
  { sizeBytes: 1, places: [{ date: '', in: 'sigvault', offset: 0 }] },
  { signature: { date: '', offset: 0.5 } }
]

test('values that the formats cannot hold are refused', () => {
  for (const rest of IMPOSSIBLE) refuses('IBT_STATE_INVALID', root, stateEntry('a', rest as Partial<StateEntry>))
})

test('values at the bounds pass', () => {
  check(
    root,
    stateEntry('a', {
      mode: 0o7777,
      uid: 0xffff_ffff,
      gid: 0,
      mtimeNs: -(2n ** 63n),
      ctimeNs: 2n ** 63n - 1n,
      ino: 2n ** 64n - 1n,
      sizeBytes: Number.MAX_SAFE_INTEGER,
      places: [{ date: '', in: 'full', offset: 0 }],
      uname: '\udcff',
      xattrs: new Map([['user.a', new Uint8Array(0)]])
    })
  )
})

test('a span is checked at its ends, and leaves its directories open', () => {
  const spanned = (first: string, last: StateEntry, ...next: readonly StateEntry[]) => {
    const entryCheck = new EntryCheck()
    for (const entry of [root, directory('d'), stateEntry('d/b')]) entryCheck.add(entry)
    entryCheck.addSpan(first, last)
    for (const entry of next) entryCheck.add(entry)
  }
  spanned('d/c', stateEntry('d/d'), stateEntry('d/e'), stateEntry('e'))
  spanned('d/c', directory('d/d'), stateEntry('d/d/a'), stateEntry('d/e'))
  spanned('d/c', stateEntry('d/d/e/f'), stateEntry('d/d/e/g'), stateEntry('d/d/f'), stateEntry('e'))
  spanned('e', stateEntry('f/a'), stateEntry('f/b'))
  assert.throws(() => spanned('d/a', stateEntry('d/d')), code('IBT_OUT_OF_ORDER'))
  assert.throws(() => spanned('d/d', stateEntry('d/c')), code('IBT_OUT_OF_ORDER'))
  assert.throws(() => spanned('d/c', stateEntry('d/d'), stateEntry('d/d')), code('IBT_OUT_OF_ORDER'))
  assert.throws(() => spanned('e/a', stateEntry('e/b')), code('IBT_UNSAFE_PATH'))
  assert.throws(() => spanned('f', stateEntry('g/a'), stateEntry('f/b')), code('IBT_OUT_OF_ORDER'))
  assert.throws(() => spanned('d/c', stateEntry('d/d'), stateEntry('d/d/a')), code('IBT_UNSAFE_PATH'))
})

test('spans cut anywhere judge a tree as single entries do', () => {
  const { int } = createRandom(7)
  for (let round = 0; round < 300; round++) {
    const paths = new Set<string>(['.'])
    for (let i = 0; i < 30; i++) {
      const parts = Array.from({ length: 1 + int(4) }, () => 'abc.'[int(3)]!)
      for (let depth = 1; depth <= parts.length; depth++) paths.add(parts.slice(0, depth).join('/'))
    }
    const entries = [...paths].sort(comparePaths).map(path => directory(path))
    const entryCheck = new EntryCheck()
    for (let at = 0; at < entries.length; ) {
      const end = Math.min(entries.length, at + 1 + int(6))
      if (end - at === 1 && int(2) === 0) entryCheck.add(entries[at]!)
      else entryCheck.addSpan(entries[at]!.path, entries[end - 1]!)
      at = end
    }
  }
})
