import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { BackupError } from '../src/errors.js'
import {
  checkPath,
  comparePaths,
  decodePath,
  encodePath,
  isBelow,
  isUtf8Path,
  joinPath,
  parentPath,
  printPath
} from '../src/path.js'

const SEED = { seed: 20261101, numRuns: 3000 }

/** Bytes of names in which everything odd is near everything else. */
const oddBytes = fc
  .array(
    fc.oneof(
      fc
        .constantFrom(
          '/',
          '!',
          'a',
          'b',
          '~',
          '\u007f',
          'é',
          '\ud7ff',
          '\ue000',
          '\uffff',
          '\ufffd',
          '\u{10000}',
          '\u{10ffff}',
          '\ufeff'
        )
        .map(text => Buffer.from(text)),
      fc
        .constantFrom(
          [0x80],
          [0xbf],
          [0xc0],
          [0xc3],
          [0xe2, 0x82],
          [0xed, 0xa0, 0x80],
          [0xf0, 0x9f],
          [0xf5],
          [0xff],
          [0x01]
        )
        .map(bytes => Buffer.from(bytes)),
      fc.uint8Array({ minLength: 1, maxLength: 3 }).map(bytes => Buffer.from(bytes))
    ),
    { minLength: 1, maxLength: 6 }
  )
  .map(parts => Buffer.concat(parts))

/** '/' is the lowest of all bytes: nothing else is 0 in a path. */
function reference(a: Buffer, b: Buffer): number {
  const lowered = (bytes: Buffer) => bytes.map(byte => (byte === 0x2f ? 0 : byte))
  return Buffer.compare(lowered(a), lowered(b))
}

test('every sequence of bytes becomes a path and comes back', () => {
  fc.assert(
    fc.property(fc.oneof(oddBytes, fc.uint8Array({ maxLength: 40 })), bytes => {
      assert.deepEqual(encodePath(decodePath(bytes)), Buffer.from(bytes))
    }),
    SEED
  )
})

test('paths of valid UTF-8 are plain text, all others are escaped', () => {
  fc.assert(
    fc.property(oddBytes, bytes => {
      const isValid = Buffer.from(bytes.toString('utf8')).equals(bytes)
      const path = decodePath(bytes)
      assert.equal(isUtf8Path(path), isValid)
      if (isValid) assert.equal(path, bytes.toString('utf8'))
    }),
    SEED
  )
})

test('the order of paths is the order of their bytes with a slash below all others', () => {
  const withoutNul = oddBytes.filter(bytes => !bytes.includes(0) && bytes.toString('latin1') !== '.')
  fc.assert(
    fc.property(withoutNul, withoutNul, fc.constantFrom('', 'x', 'dir/', '\u{10000}', 'é'), (a, b, prefix) => {
      const start = Buffer.from(prefix)
      const x = Buffer.concat([start, a])
      const y = Buffer.concat([start, b])
      const found = Math.sign(comparePaths(decodePath(x), decodePath(y)))
      assert.equal(found, reference(x, y), `${x.toString('hex')} ${y.toString('hex')}`)
    }),
    { ...SEED, numRuns: 20_000 }
  )
})

for (const [lower, higher, why] of [
  [Buffer.from('.'), Buffer.from('!'), 'the root comes before a name that sorts below a dot'],
  [Buffer.from('a/b'), Buffer.from('a!'), 'a directory comes directly before all that it contains'],
  [Buffer.from('a'), Buffer.from('a/b'), 'a directory comes before its entries'],
  [Buffer.from('\uffff'), Buffer.from('\u{10000}'), 'a character beyond the BMP comes after the last of the BMP'],
  [Buffer.from('\ue000'), Buffer.from('\u{10ffff}'), 'private characters come before those beyond the BMP'],
  [Buffer.from([0x61, 0x80]), Buffer.from('aé'), 'a lone byte 80 comes before the first byte of a character'],
  [Buffer.from('\u{10ffff}'), Buffer.from([0xff]), 'a lone byte FF comes after every character'],
  [Buffer.from('\u{1f600}'), Buffer.from([0xf0, 0x9f, 0xff]), 'a broken character is compared byte by byte'],
  [Buffer.from([0xc3]), Buffer.from([0xc3, 0x2f, 0x61]), 'a lone byte comes before what is below it']
] as const) {
  test(why, () => {
    assert.ok(comparePaths(decodePath(lower), decodePath(higher)) < 0)
    assert.ok(comparePaths(decodePath(higher), decodePath(lower)) > 0)
    assert.equal(comparePaths(decodePath(lower), decodePath(lower)), 0)
  })
}

test('printed paths hold nothing that a terminal acts on, and are quoted if they were changed', () => {
  assert.equal(printPath('a b/ü€😀'), 'a b/ü€😀')
  assert.equal(printPath('a\nb\t"\\\u001b[31m'), '"a\\nb\\t\\"\\\\\\u001b[31m"')
  assert.equal(printPath(decodePath(Buffer.from([0x61, 0xff, 0x80]))), '"a\\xff\\x80"')
  fc.assert(
    fc.property(oddBytes, bytes => {
      const printed = printPath(decodePath(bytes))
      for (const character of printed) {
        const code = character.codePointAt(0)!
        assert.ok(code >= 0x20 && !(code >= 0x7f && code <= 0x9f) && !(code >= 0xd800 && code <= 0xdfff), printed)
      }
    }),
    SEED
  )
})

test('paths that leave the tree or name nothing are refused', () => {
  for (const path of ['', '/', '/a', 'a/', 'a//b', '..', '../a', 'a/..', 'a/../b', './a', 'a/.', 'a/./b', 'a\0b']) {
    assert.throws(() => checkPath(path), { code: 'IBT_UNSAFE_PATH' }, JSON.stringify(path))
  }
  for (const path of ['.', 'a', '...', '..a', 'a..', '.a/b', 'a\n', '\\', 'C:', decodePath(Buffer.from([0xff]))])
    checkPath(path)
})

test('a lone surrogate that stands for no byte is refused', () => {
  for (const path of ['\ud800', 'a\udc7f', '\udd00b']) assert.throws(() => encodePath(path), BackupError)
})

test('parts of a path are joined and parted at slashes', () => {
  assert.equal(joinPath('.', 'a'), 'a')
  assert.equal(joinPath('a', 'b'), 'a/b')
  assert.equal(parentPath('a/b/c'), 'a/b')
  assert.equal(parentPath('a'), '.')
  assert.ok(isBelow('a/b', 'a') && isBelow('a', '.') && !isBelow('ab', 'a') && !isBelow('a', 'a') && !isBelow('.', '.'))
})
