import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IGNORE_FILE_BYTES } from '../src/constants.js'
import { createRules, type RulesOptions } from '../src/rules.js'
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
  assert.throws(() => createRules({ ignoreFiles: [1 as never] }), TypeError)
  assert.throws(() => createRules({ excludeIfPresent: 'x' as never }), TypeError)
  assert.throws(() => createRules({ excludePaths: [new Uint8Array(1) as never] }), TypeError)
  assert.throws(() => createRules({ files: 'a' as never }), TypeError)
  assert.throws(() => createRules({ onMissing: 'a' as never }), TypeError)
  for (const name of ['', '/a', 'a/../b', '..', 'a\0b']) assert.throws(() => createRules({ files: [name] }), RangeError)
  assert.throws(() => createRules({ ignoreFiles: ['a/b'] }), RangeError)
  assert.throws(() => createRules({ excludeIfPresent: [''] }), RangeError)
  for (const size of [-1, Number.NaN, '1' as never]) {
    assert.throws(() => createRules({ excludeLargerThanBytes: size }), RangeError)
  }
})

test('a comment is one in an ignore file, and a pattern where the caller says so', () => {
  assert.equal(rootScope({}, '#a').excludes('#a', 'file'), false)
  assert.equal(rootScope({ exclude: ['#a'] }).excludes('#a', 'file'), true)
})

test('spaces at the end count where the caller says so, and in an ignore file if they are quoted', () => {
  const scopes = [rootScope({}, 'a '), rootScope({}, 'a\\ '), rootScope({ exclude: ['a '] })]
  assert.deepEqual(
    scopes.map(scope => [scope.excludes('a', 'file'), scope.excludes('a ', 'file')]),
    [
      [true, false],
      [false, true],
      [false, true]
    ]
  )
})

test('lines may end as they do on Windows', () => {
  const scope = rootScope({}, '*.o\r\n\r\nb/\r')
  assert.deepEqual([scope.excludes('a.o', 'file'), scope.excludes('b', 'directory')], [true, true])
  assert.equal(scope.excludes('c', 'file'), false)
})

test('what an ignore file holds is never an error', () => {
  const scope = rootScope({}, '[\n\\\n!\n/\n//\n[z-a]\n[[:what:]]\n..\n./a\n/\n\0\n***\\')
  for (const path of ['a', '[', '\\', '!', 'b/a']) assert.equal(scope.excludes(path, 'file'), false)
})

test('a directory that a deeper file or the caller takes back is open again', () => {
  const root = rootScope({}, 'a/b\n*.log')
  const a = root.enter('a', files({ '.exclude': '!b' }), [])
  assert.equal(a.excludes('a/b', 'directory'), false)
  const b = a.enter('a/b', NOTHING, [])
  assert.deepEqual([b.excludes('a/b/x', 'file'), b.excludes('a/b/x.log', 'file')], [false, true])
  const taken = rootScope({ exclude: ['!/a'] }, 'a')
  assert.deepEqual([taken.excludes('a', 'directory'), taken.excludes('b/a', 'directory')], [false, true])
  assert.equal(taken.enter('a', NOTHING, []).excludes('a/x', 'file'), false)
})

test('patterns of a file belong to its directory', () => {
  const child = rootScope({}).enter('é', files({ '.exclude': '/x\ny/z' }), [])
  assert.deepEqual([child.excludes('é/x', 'file'), child.excludes('é/y', 'file')], [true, false])
  const deeper = child.enter('é/y', NOTHING, [])
  assert.deepEqual([deeper.excludes('é/y/x', 'file'), deeper.excludes('é/y/z', 'file')], [false, true])
})

test('of several ignore files in one directory the later name is stronger', () => {
  const scope = createRules({ ignoreFiles: ['.gitignore', '.exclude'] }).root(
    files({ '.exclude': '!a', '.gitignore': 'a\nb' }),
    []
  )
  assert.deepEqual([scope.excludes('a', 'file'), scope.excludes('b', 'file')], [false, true])
})

test('names that no string holds match as bytes', () => {
  const scope = rootScope({}, '?\n[!a]b')
  assert.deepEqual([scope.excludes('\udcff', 'file'), scope.excludes('\udcffb', 'file')], [true, true])
  assert.equal(scope.excludes('é', 'file'), false)
})

test('an entry that could not be looked at is excluded only if it were as a directory and as a file', () => {
  assert.equal(rootScope({}, 'a').excludes('a', 'unreadable'), true)
  assert.equal(rootScope({}, 'a/').excludes('a', 'unreadable'), false)
  assert.equal(rootScope({}, 'a\n!a/').excludes('a', 'unreadable'), false)
})

test('a directory without its contents keeps what marks it, and nothing else', () => {
  const root = createRules({ excludeIfPresent: ['.nobackup', 'a'] }).root(NOTHING, ['.nobackup'])
  assert.deepEqual([root.excludes('.', 'directory'), root.excludes('b', 'file')], [false, true])
  assert.equal(root.excludes('.nobackup', 'file'), false)
  assert.equal(root.excludes('a', 'file'), true)
  assert.equal(root.enter('b', NOTHING, []).excludes('b/c', 'file'), true)
})

test('a mark that is a directory is kept empty, and one that a pattern excludes is not kept', () => {
  const mark = createRules({ excludeIfPresent: ['x'] }).root(NOTHING, ['x'])
  assert.equal(mark.excludes('x', 'directory'), false)
  assert.equal(mark.enter('x', NOTHING, ['x']).excludes('x/x', 'file'), true)
  const excluded = createRules({ excludeIfPresent: ['x'], exclude: ['x'] }).root(NOTHING, ['x'])
  assert.equal(excluded.excludes('x', 'file'), true)
})

test('a cache keeps its tag; several marks are all kept', () => {
  const tag = files({ 'CACHEDIR.TAG': 'Signature: 8a477f597d28d172789f06886806bc55' })
  const rules = createRules({ excludeCaches: true, excludeIfPresent: ['.nobackup'] })
  const scope = rules.root(tag, ['.nobackup', 'CACHEDIR.TAG', 'object'])
  assert.deepEqual(
    ['.nobackup', 'CACHEDIR.TAG', 'object'].map(name => scope.excludes(name, 'file')),
    [false, false, true]
  )
})

test('a CACHEDIR.TAG that nobody asked for does nothing', () => {
  const tag = files({ 'CACHEDIR.TAG': 'Signature: 8a477f597d28d172789f06886806bc55' })
  assert.equal(createRules({ ignoreFiles: ['CACHEDIR.TAG'] }).root(tag, []).skipsContents, false)
})

test('where there is nothing to exclude the scope says so', () => {
  assert.equal(rootScope({}).isIdle, true)
  assert.equal(rootScope({}, '# nothing\n\n').isIdle, true)
  assert.equal(rootScope({}, 'a').isIdle, false)
  assert.equal(rootScope({}).enter('a', files({ '.exclude': 'x' }), []).isIdle, false)
  for (const options of [{ exclude: ['a'] }, { excludePaths: ['a'] }, { excludeLargerThanBytes: 0 }, { files: [] }]) {
    assert.equal(rootScope(options).isIdle, false)
  }
})

test('a scope changes neither by entering nor by asking', () => {
  const root = rootScope({}, 'a')
  root.enter('b', files({ '.exclude': '!a\nc' }), []).excludes('b/c', 'file')
  assert.deepEqual([root.excludes('a', 'file'), root.excludes('c', 'file')], [true, false])
})

test('a pattern that is cut where reading ends does not count', () => {
  const lines = Buffer.from(`*.o\n#${'x'.repeat(IGNORE_FILE_BYTES - 10)}\n/kee`)
  assert.equal(lines.length, IGNORE_FILE_BYTES)
  const scope = createRules().root(new Map([['.exclude', lines]]))
  assert.deepEqual([scope.excludes('a.o', 'file'), scope.excludes('kee', 'file')], [true, false])
  const whole = createRules().root(new Map([['.exclude', lines.subarray(1)]]))
  assert.equal(whole.excludes('kee', 'file'), true)
})
