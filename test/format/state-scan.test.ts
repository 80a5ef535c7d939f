import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeStateEntry } from '../../src/format/state-decode.js'
import { encodeStateEntry } from '../../src/format/state-encode.js'
import { lineOf } from '../../src/format/state-line.js'
import { Window } from '../../src/format/state-lines.js'
import { StateScanner } from '../../src/format/state-scan.js'
import { comparePaths } from '../../src/path.js'
import type { EntryType, Place, StateEntry } from '../../src/types.js'
import { CHAIN_INDEX, DATES, ENTRIES, HEADER, ODD_NAMES } from '../helpers/state-samples.js'

const seed = Number(process.env.SEED ?? 11)
const numRuns = process.env.SLOW ? 100_000 : 3000

function scan(line: string | Buffer, scanner = new StateScanner(HEADER.chain)): StateEntry | undefined {
  const bytes = Buffer.concat([Buffer.from('junk\n'), Buffer.from(line as string), Buffer.from('\n')])
  return scanner.scan(new Window(bytes), 5, bytes.length - 1)
}

/** What the parser says, or that it refuses. */
function decoded(line: string): StateEntry | 'refused' {
  try {
    return decodeStateEntry(line, HEADER.chain)
  } catch {
    return 'refused'
  }
}

/** The scanner may leave a line to the parser, and never says anything else than it. */
function checkAgainstParser(line: string): boolean {
  const scanned = scan(line)
  if (scanned !== undefined) assert.deepEqual(scanned, decoded(line), line)
  return scanned !== undefined
}

const name = fc
  .oneof(
    { weight: 20, arbitrary: fc.string({ minLength: 1, unit: fc.constantFrom(...'ab.- é€😀') }) },
    { weight: 1, arbitrary: fc.oneof(fc.constantFrom(...ODD_NAMES), fc.string({ minLength: 1 })) }
  )
  .filter(isName)
function isName(text: string): boolean {
  return (
    !/[/\0]/.test(text) && text !== '' && text !== '.' && text !== '..' && !/[\ud800-\udc7f\udd00-\udfff]/.test(text)
  )
}
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 1 })
const rare = <T>(value: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value })
const flag = optional(fc.constant(true as const))
const int64 = fc.oneof(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), fc.bigInt(0n, 2_000_000_000_000_000_000n))
const uint32 = fc.oneof(fc.nat(2000), fc.nat(0xffff_ffff))
const size = fc.oneof(fc.nat(100_000), fc.maxSafeNat())
const offset = fc.nat(2 ** 40).map(blocks => blocks * 512)
const date = fc.constantFrom(...DATES)
const place: fc.Arbitrary<Place> = fc
  .record({ date, offset, path: rare(name), sizeBytes: optional(size) })
  .map(fields => ({ in: 'updated', ...defined(fields) }) as Place)
const entries: fc.Arbitrary<StateEntry> = fc
  .record({
    path: fc.array(name, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/')),
    type: fc.constantFrom<EntryType>('file', 'directory', 'symlink', 'fifo', 'socket', 'block-device', 'unreadable'),
    mode: fc.nat(0o7777),
    uid: uint32,
    gid: uint32,
    uname: optional(name),
    gname: optional(name),
    mtimeNs: int64,
    ctimeNs: optional(int64),
    ino: optional(fc.bigInt(0n, 2n ** 64n - 1n)),
    sizeBytes: optional(size),
    sparse: flag,
    linkname: optional(name),
    link: rare(fc.nat(9)),
    devMajor: rare(fc.nat(9)),
    xattrs: rare(fc.constant(new Map([['user.a', new Uint8Array([0, 255])]]))),
    sha256: optional(fc.constant('0123456789abcdef'.repeat(4))),
    places: optional(fc.array(place, { minLength: 1, maxLength: 3 })),
    signature: optional(fc.record({ date, offset })),
    dirty: flag,
    carried: flag,
    racy: flag
  })
  .map(defined)

function defined<T extends object>(fields: T): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T
}

test('a line is scanned as JSON.parse reads it, whatever the entry holds', () => {
  let scanned = 0
  const property = fc.property(entries, entry => {
    if (checkAgainstParser(encodeStateEntry(entry, CHAIN_INDEX))) scanned++
  })
  fc.assert(property, { seed, numRuns })
  assert.ok(scanned > numRuns / 20, `only ${scanned} of ${numRuns} were scanned`)
})

test('a line with bytes changed is scanned as JSON.parse reads it, or left to it', () => {
  const byte = fc.constantFrom(...'"\\,:{}[]\t0-19ef./ '.split(''), '00', '\\u0041', '/./', '')
  const edits = fc.array(fc.tuple(fc.nat(), byte, fc.nat(1)), { minLength: 1, maxLength: 2 })
  const property = fc.property(entries, edits, (entry, changes) => {
    let line = encodeStateEntry(entry, CHAIN_INDEX)
    for (const [at, text, removed] of changes) {
      const place = at % line.length
      line = line.slice(0, place) + text + line.slice(place + removed)
    }
    if (line.isWellFormed()) checkAgainstParser(line)
  })
  fc.assert(property, { seed, numRuns: numRuns * 3 })
})

const PLAIN: StateEntry = {
  path: 'a/b',
  type: 'file',
  mode: 0o644,
  uid: 0,
  gid: 0,
  mtimeNs: 1_700_000_000_123_456_789n,
  ctimeNs: -1n,
  ino: 7n,
  sizeBytes: 3,
  sha256: 'f'.repeat(64),
  places: [{ date: DATES[0], in: 'full', offset: 512 }],
  signature: { date: DATES[1], offset: 1024 }
}
const LINE = encodeStateEntry(PLAIN, CHAIN_INDEX)

test('the lines of usual entries are scanned', () => {
  const usual: readonly StateEntry[] = [
    PLAIN,
    { ...PLAIN, path: '.', type: 'directory' },
    { ...PLAIN, path: 'é/€/😀', uname: 'müller' },
    { ...PLAIN, path: '...', type: 'symlink', linkname: '../..' },
    { ...PLAIN, path: '.a/..b/c.', dirty: true, carried: true, racy: true, sparse: true },
    { ...PLAIN, places: [...PLAIN.places!, { date: DATES[2], in: 'updated', offset: 0, sizeBytes: 9 }] }
  ]
  for (const entry of usual) assert.ok(checkAgainstParser(encodeStateEntry(entry, CHAIN_INDEX)), entry.path)
  assert.ok(checkAgainstParser(`${LINE},`))
})

test('numbers are scanned up to the border of their range', () => {
  for (const value of [
    0n,
    1n,
    10n ** 9n - 1n,
    10n ** 9n,
    2n ** 32n - 1n,
    2n ** 32n,
    2n ** 53n + 1n,
    9n * 10n ** 18n - 1n
  ]) {
    for (const mtimeNs of [value, -value]) {
      assert.equal(scan(encodeStateEntry({ ...PLAIN, mtimeNs }, CHAIN_INDEX))?.mtimeNs, mtimeNs)
    }
  }
  const refused = ['"mode":4096', '"mode":01', '"mode":-1', '"mode":1.5', '"mode":1e2', '"mode":""', '"mode":']
  for (const text of refused) assert.equal(scan(LINE.replace('"mode":420', text)), undefined, text)
})

test('what is not as it is written is left to the parser', () => {
  const lines = [
    LINE.replace('a/b', 'a//b'),
    LINE.replace('a/b', 'a/../b'),
    LINE.replace('a/b', '../b'),
    LINE.replace('a/b', '/b'),
    LINE.replace('a/b', 'a/.'),
    LINE.replace('a/b', ''),
    LINE.replace('a/b', 'a\\u002fb'),
    LINE.replace('"offset":512', '"offset":513'),
    LINE.replace('"date":0', '"date":3'),
    LINE.replace('ff"', 'fF"'),
    LINE.replace('ff"', 'f"'),
    LINE.replace('"uid":0,', ''),
    LINE.replace('{', '{ '),
    LINE.replace('"type":"file"', '"type":"symlink"'),
    `${LINE},,`,
    `${LINE}\r`,
    LINE.slice(0, -1)
  ]
  for (const line of lines) assert.equal(scan(line), undefined, line)
})

test('the order of two paths is told as comparePaths tells it', () => {
  const paths = ENTRIES.map(({ path }) => path).concat('a', 'a/b', 'a b', 'a.b', 'a/b/c', '-', '..a', '.-')
  for (const first of paths) {
    for (const second of paths) {
      const scanner = new StateScanner(HEADER.chain)
      const wasScanned = scan(encodeStateEntry({ ...PLAIN, path: first }, CHAIN_INDEX), scanner) !== undefined
      scan(encodeStateEntry({ ...PLAIN, path: second }, CHAIN_INDEX), scanner)
      const isBehind = comparePaths(first, second) < 0
      if (scanner.wasBehind) assert.ok(wasScanned && isBehind, `${first} ${second}`)
      else if (wasScanned && isBehind) assert.ok(isRare(first) || isRare(second), `${first} ${second}`)
    }
  }
})

/** Paths that are compared as text. */
function isRare(path: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON escapes
  return path.startsWith('.') || /["\\\u0000-\u001f\ud800-\udfff]/.test(path)
}

test('an entry remembers its line; a copy does not', () => {
  const entry = scan(LINE)!
  const { window, start, end } = lineOf(entry)!
  assert.equal(window.bytes.toString('utf8', start, end), LINE)
  assert.equal(lineOf({ ...entry }), undefined)
  assert.equal(Object.getPrototypeOf(entry), Object.prototype)
})
