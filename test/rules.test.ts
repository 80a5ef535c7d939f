import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRules, createSelection, type RulesOptions } from '../src/rules.js'
import type { EntryType } from '../src/types.js'

const NOTHING = new Map<string, Uint8Array>()

function files(contents: Record<string, string>): Map<string, Uint8Array> {
  return new Map(Object.entries(contents).map(([name, text]) => [name, Buffer.from(text)]))
}

function rootScope(options: RulesOptions, ignoreFile = '') {
  return createRules(options).root(files({ '.exclude': ignoreFile }), [])
}

const CASES: [title: string, patterns: string, path: string, type: EntryType, excluded: boolean][] = [
  ['a name matches at any depth', '*.o', 'a/b/c.o', 'file', true],
  ['a pattern with a slash is anchored', 'a/*.o', 'x/a/c.o', 'file', false],
  ['a leading slash anchors', '/c.o', 'a/c.o', 'file', false],
  ['a trailing slash matches directories only', 'build/', 'build', 'file', false],
  ['a trailing slash matches a directory', 'build/', 'a/build', 'directory', true],
  ['the last pattern wins', '*.o\n!keep.o', 'keep.o', 'file', false],
  ['a pattern after a negation wins again', '*.o\n!keep.o\nkeep.*', 'keep.o', 'file', true],
  ['case matters', 'README', 'readme', 'file', false],
  ['two stars cross directories', 'a/**/z', 'a/b/c/z', 'file', true],
  ['a comment is no pattern', '#a', '#a', 'file', false],
  ['an escaped hash is one', '\\#a', '#a', 'file', true],
  ['a class of characters matches', '[ab].txt', 'b.txt', 'file', true],
  ['a mark of byte order is skipped', '\ufeffa.txt', 'a.txt', 'file', true],
  ['the root is never excluded', '*', '.', 'directory', false]
]

for (const [title, patterns, path, type, excluded] of CASES) {
  test(`${title} (${JSON.stringify(patterns)} on ${path})`, () => {
    assert.equal(rootScope({}, patterns).excludes(path, type), excluded)
    assert.equal(rootScope({ exclude: patterns.replace('\ufeff', '').split('\n') }).excludes(path, type), excluded)
  })
}

test('a deeper ignore file overrides a shallower one', () => {
  const root = rootScope({}, '*.log')
  const child = root.enter('a', files({ '.exclude': '!keep.log' }), [])
  assert.equal(root.excludes('keep.log', 'file'), true)
  assert.equal(child.excludes('a/keep.log', 'file'), false)
  assert.equal(child.excludes('a/other.log', 'file'), true)
})

test('patterns of the caller override every ignore file', () => {
  const scope = rootScope({ exclude: ['*.log'] }, '!a.log')
  assert.equal(scope.excludes('a.log', 'file'), true)
})

test('ignore files of several names are asked for, and none where none is wanted', () => {
  assert.deepEqual(createRules().captures, ['.exclude'])
  assert.deepEqual(createRules({ ignoreFiles: ['.gitignore', '.backupignore'] }).captures, [
    '.gitignore',
    '.backupignore'
  ])
  assert.deepEqual(createRules({ ignoreFiles: [], excludeCaches: true }).captures, ['CACHEDIR.TAG'])
})

test('a raw byte in a pattern equals the same raw byte in a name', () => {
  const scope = createRules().root(new Map([['.exclude', Buffer.from('caf\xe9*', 'latin1')]]), [])
  assert.equal(scope.excludes('caf\udce9.txt', 'file'), true)
  assert.equal(scope.excludes('café.txt', 'file'), false)
})

test('a directory with a marker is kept without its contents', () => {
  const rules = createRules({ excludeIfPresent: ['.nobackup'] })
  assert.equal(rules.root(NOTHING, ['a', '.nobackup']).skipsContents, true)
  assert.equal(rules.root(NOTHING, ['a']).skipsContents, false)
})

test('a CACHEDIR.TAG counts only with its signature', () => {
  const rules = createRules({ excludeCaches: true })
  const signature = 'Signature: 8a477f597d28d172789f06886806bc55\n# a cache'
  assert.equal(rules.root(files({ 'CACHEDIR.TAG': signature }), []).skipsContents, true)
  assert.equal(rules.root(files({ 'CACHEDIR.TAG': 'Signature: no' }), []).skipsContents, false)
})

test('larger files and named paths are left out', () => {
  const scope = rootScope({ excludeLargerThanBytes: 10, excludePaths: ['backups'] })
  assert.deepEqual([scope.excludes('a', 'file', 10), scope.excludes('a', 'file', 11)], [false, true])
  assert.deepEqual([scope.excludes('backups', 'directory'), scope.excludes('a/backups', 'directory')], [true, false])
})

test('a matcher that was asked about many paths still answers the same', () => {
  const scope = rootScope({}, 'x*')
  for (let i = 0; i < 25_000; i++) {
    assert.equal(scope.excludes(`dir/x${i}`, 'file'), true)
    assert.equal(scope.excludes(`dir/y${i}`, 'file'), false)
  }
})

test('options of another type are refused at the call', () => {
  assert.throws(() => createRules({ exclude: '*.o' as never }), TypeError)
  assert.throws(() => createSelection([1 as never]), TypeError)
})

test('a selection takes what matches, and all that lies below', () => {
  const selection = createSelection(['/docs', '*.txt'])
  assert.equal(selection.selects('docs', 'directory'), true)
  assert.equal(selection.selects('docs/a/b.md', 'file'), true)
  assert.equal(selection.selects('src/docs', 'directory'), false)
  assert.equal(selection.selects('src/a.txt', 'file'), true)
  assert.equal(selection.selects('src/a.md', 'file'), false)
})

test('a selection takes a name as reports print it', () => {
  assert.equal(createSelection(['"caf\\xe9"']).selects('caf\udce9', 'file'), true)
  assert.equal(createSelection(['"a\\nb*"']).selects('a\nb*', 'file'), true)
  assert.equal(createSelection(['"a\\nb*"']).selects('a\nbc', 'file'), false)
})
