import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printPath } from '../../src/path.js'
import { createSelection } from '../../src/rules.js'
import type { EntryType } from '../../src/types.js'
import { ODD_NAMES } from '../helpers/state-samples.js'

type Case = [title: string, patterns: string[], selected: string[], others: string[]]

/** A path that ends in a slash is a directory. */
const CASES: Case[] = [
  ['a pattern without a slash matches at any depth', ['*.txt'], ['a.txt', 'x/a.txt'], ['a.md', 'x/']],
  ['a pattern with a slash is anchored', ['docs/*.md'], ['docs/a.md'], ['x/docs/a.md', 'docs/x/a.md', 'docs/']],
  ['a path selects itself and all below', ['/docs'], ['docs/', 'docs/a', 'docs/a/b.md'], ['src/docs/', 'docs2']],
  ['a pattern selects all below what it matches', ['d*'], ['docs/', 'x/docs/a/b'], ['a/']],
  ['a slash at the end asks for a directory', ['a/'], ['a/', 'a/b', 'x/a/b'], ['a', 'b/a']],
  ['a path that could be a pattern is both', ['x/[1].txt'], ['x/[1].txt', 'x/1.txt'], ['x/2.txt']],
  ['a path may begin with a dot and a slash', ['./a/b'], ['a/b', 'a/b/c'], ['x/a/b', 'a/']],
  ['a dot is the whole tree', ['.'], ['./', 'a', 'b/'], []],
  ['a slash is the whole tree', ['/'], ['./', 'a', 'b/'], []],
  ['a later pattern takes back', ['docs', '!docs/x'], ['docs/', 'docs/a'], ['docs/x/', 'docs/x/a']],
  ['what is taken back can be selected again', ['a', '!a/b', 'a/b/c'], ['a/x', 'a/b/c/d'], ['a/b/', 'a/b/x']],
  ['all is selected where the first takes back', ['!*.o'], ['./', 'a', 'x/'], ['a.o', 'x/a.o']],
  ['no pattern selects nothing', [], [], ['./', 'a']],
  ['a name without a slash selects at any depth', ['a'], ['a', 'b/a', 'b/a/c'], ['ab']],
  ['spaces and hashes are part of a name', ['#a '], ['#a '], ['#a', 'a']]
]

const typeOf = (path: string): EntryType => (path.endsWith('/') ? 'directory' : 'file')

for (const [title, patterns, selected, others] of CASES) {
  test(`${title} (${patterns.join(' ')})`, () => {
    const selection = createSelection(patterns)
    const selects = (path: string) => selection.selects(path.replace(/\/$/, ''), typeOf(path))
    assert.deepEqual([...selected, ...others].filter(selects), selected)
  })
}

test('every path can be given as reports print it', () => {
  for (const name of ODD_NAMES) {
    const path = `dir/${name}`
    const printed = printPath(path)
    const selection = createSelection([printed.startsWith('"') ? printed : path])
    assert.ok(selection.selects(path, 'file'), printed)
    assert.ok(selection.selects(`${path}/below`, 'file'), printed)
    assert.ok(!selection.selects(`${path}x`, 'file'), printed)
  }
})

test('a printed path is no pattern', () => {
  const selection = createSelection(['"a\\nb*"'])
  assert.deepEqual([selection.selects('a\nb*', 'file'), selection.selects('a\nbc', 'file')], [true, false])
  assert.equal(createSelection(['"caf\\xe9"']).selects('x/caf\udce9', 'file'), false)
  for (const printed of ['"caf\\xc3\\xa9"', '"caf\\XC3\\XA9"', '"\\x63afé"']) {
    assert.equal(createSelection([printed]).selects('café', 'file'), true, printed)
  }
})

test('a directory that could not be listed is selected like a directory', () => {
  assert.equal(createSelection(['a/']).selects('a', 'unreadable'), true)
})

test('anything but strings is refused at the call', () => {
  assert.throws(() => createSelection([1 as never]), TypeError)
  assert.throws(() => createSelection('a' as never), TypeError)
  assert.throws(() => createSelection(undefined as never), TypeError)
  for (const empty of ['', '!', '""']) assert.throws(() => createSelection([empty]), RangeError)
})
