import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeStateClosing, decodeStateEntry, decodeStateHeader } from '../../src/format/state-decode.js'
import { encodeStateClosing, encodeStateEntry, encodeStateHeader } from '../../src/format/state-encode.js'
import { CHAIN_INDEX, CLOSING, compact, DATES, ENTRIES, HEADER } from '../helpers/state-samples.js'

const INVALID = { code: 'IBT_STATE_INVALID' }
const VALID = ENTRIES.find(({ path }) => path === 'all')!
type Json = Record<string, unknown>

/** The line of an entry with some fields replaced. */
function entryLine(fields: Json): string {
  return JSON.stringify({ ...JSON.parse(encodeStateEntry(VALID, CHAIN_INDEX)), ...fields })
}

function headerLine(fields: Json): string {
  const { entries, ...record } = JSON.parse(`${encodeStateHeader(HEADER)}]}`)
  return JSON.stringify({ ...record, ...fields, entries }).slice(0, -2)
}

function closingLine(fields: Json): string {
  const record = { ...JSON.parse(`{${encodeStateClosing(CLOSING).slice(2)}`), ...fields }
  return `],${JSON.stringify(record).slice(1)}`
}

test('the feature that this version knows is accepted, alone and not beside another', () => {
  const known = ['signature-digest']
  assert.deepEqual(decodeStateHeader(headerLine({ requires: known })).requires, known)
  assert.throws(() => decodeStateHeader(headerLine({ requires: [...known, 'more'] })), /requires more/)
})

test('header, entries and closing come back as they were', () => {
  assert.deepEqual(decodeStateHeader(encodeStateHeader(HEADER)), HEADER)
  assert.deepEqual(decodeStateClosing(encodeStateClosing(CLOSING)), CLOSING)
  for (const entry of ENTRIES) {
    const line = encodeStateEntry(entry, CHAIN_INDEX)
    const decoded = compact(decodeStateEntry(line, HEADER.chain))
    const xattrs =
      decoded.xattrs && new Map(Array.from(decoded.xattrs, ([name, value]) => [name, new Uint8Array(value)]))
    assert.deepEqual(compact({ ...decoded, xattrs }), entry)
    assert.deepEqual(decodeStateEntry(`${line},\n`, HEADER.chain), decodeStateEntry(line, HEADER.chain))
  }
})

test('a delta without a copy is a whole content: it may be the first place', () => {
  const line = entryLine({ content: [{ date: 0, in: 'updated', offset: 0, sizeBytes: 9 }] })
  const [place] = decodeStateEntry(line, HEADER.chain).places!
  assert.deepEqual(place, { date: DATES[0], in: 'updated', offset: 0, sizeBytes: 9 })
})

test('a header without what may be absent comes back', () => {
  const { sourceId: _, options: __, ...header } = HEADER
  assert.deepEqual(decodeStateHeader(encodeStateHeader(header)), header)
})

test('unknown fields are ignored everywhere', () => {
  const extra = { later: { any: ['thing'] }, __proto__x: 1 }
  assert.deepEqual(decodeStateHeader(headerLine(extra)), HEADER)
  assert.deepEqual(decodeStateEntry(entryLine(extra), HEADER.chain).path, 'all')
  assert.deepEqual(decodeStateClosing(closingLine(extra)), CLOSING)
})

test('a field named __proto__ changes nothing', () => {
  const line = encodeStateEntry(VALID, CHAIN_INDEX).replace('{', '{"__proto__":{"polluted":1,"dirty":"x"},')
  const decoded = decodeStateEntry(line, HEADER.chain)
  assert.equal((decoded as unknown as Json).polluted, undefined)
  assert.equal(({} as Json).polluted, undefined)
  assert.equal(decodeStateEntry(entryLine({ path: '__proto__' }), HEADER.chain).path, '__proto__')
})

test('an unknown version and an unknown feature are refused by name', () => {
  assert.throws(() => decodeStateHeader(headerLine({ version: 2 })), {
    code: 'IBT_STATE_VERSION',
    message: /version 2/
  })
  assert.throws(() => decodeStateHeader(headerLine({ requires: ['volumes'] })), {
    code: 'IBT_STATE_VERSION',
    message: /volumes/
  })
  assert.throws(() => decodeStateHeader(headerLine({ version: 2, chain: 'unknown', key: 1 })), {
    code: 'IBT_STATE_VERSION'
  })
})

for (const [what, fields] of [
  ['another format', { format: 'other' }],
  ['no format', { format: undefined }],
  ['a version that is no number', { version: '1' }],
  ['requires that is no list', { requires: 'volumes' }],
  ['a kind that is none', { kind: 'state' }],
  ['a date that no calendar has', { date: '20260230T000000.000Z' }],
  ['a chain that ends with another date', { date: DATES[1] }],
  ['an empty chain', { chain: [] }],
  ['a chain out of order', { chain: [{ date: DATES[1] }, { date: DATES[0] }, { date: DATES[2] }] }],
  ['a chain with a wrong digest', { chain: [{ date: DATES[2], stateSha256: 'x' }] }],
  ['a chain of text', { chain: [DATES[2]] }],
  ['a start that is a number', { startedNs: 5 }],
  ['a root that is a number', { root: 5 }],
  ['options that are a list', { options: [] }]
] as const) {
  test(`a header with ${what} is refused`, () => {
    assert.throws(() => decodeStateHeader(headerLine(fields)), INVALID)
  })
}

test('a header with a key that no name can hold is refused', () => {
  assert.throws(() => decodeStateHeader(headerLine({ key: '../x' })), { code: 'IBT_NAME_INVALID' })
})

for (const [what, fields] of [
  ['no path', { path: undefined }],
  ['a path that is a number', { path: 1 }],
  ['a path with a lone surrogate', { path: 'a\udcff' }],
  ['a path with NUL', { path: 'a\0' }],
  ['wrong base64', { pathBase64: '*' }],
  ['base64 with stray bits', { pathBase64: '/x==' }],
  ['an unknown type', { type: 'door' }],
  ['the type __proto__', { type: '__proto__' }],
  ['a negative mode', { mode: -1 }],
  ['a mode beyond 7777', { mode: 0o10000 }],
  ['a fraction as owner', { uid: 0.5 }],
  ['an owner beyond 32 bits', { gid: 2 ** 32 }],
  ['an owner that is text', { uid: '0' }],
  ['a user name that is a number', { uname: 0 }],
  ['no mtime', { mtimeNs: undefined }],
  ['an mtime that is a number', { mtimeNs: 1 }],
  ['an mtime beyond 64 bits', { mtimeNs: String(2n ** 63n) }],
  ['an overlong mtime', { mtimeNs: '1'.repeat(100_000) }],
  ['an mtime in hexadecimal', { mtimeNs: '0x10' }],
  ['a negative inode', { ino: '-1' }],
  ['a size beyond 2^53', { sizeBytes: 2 ** 53 }],
  ['a negative size', { sizeBytes: -1 }],
  ['null as size', { sizeBytes: null }],
  ['an empty link target', { linkname: '' }],
  ['no target of a symlink', { type: 'symlink' }],
  ['attributes that are a list', { xattrs: [] }],
  ['an attribute that is no base64', { xattrs: { a: 'x' } }],
  ['a short digest', { sha256: 'abc' }],
  ['a digest in capitals', { sha256: 'A'.repeat(64) }],
  ['empty content', { content: [] }],
  [
    'content with two wholes',
    {
      content: [
        { date: 0, in: 'full', offset: 0 },
        { date: 1, in: 'created', offset: 0 }
      ]
    }
  ],
  ['a place in an unknown archive', { content: [{ date: 0, in: 'state', offset: 0 }] }],
  ['a place beyond the chain', { content: [{ date: 3, in: 'full', offset: 0 }] }],
  ['a place at a negative date', { content: [{ date: -1, in: 'full', offset: 0 }] }],
  ['a place within a block', { content: [{ date: 0, in: 'full', offset: 100 }] }],
  ['a signature that is a number', { signature: 1 }],
  ['a signature without offset', { signature: { date: 0 } }],
  ['a flag that is text', { dirty: 'yes' }]
] as const) {
  test(`an entry with ${what} is refused, and the message says so`, () => {
    assert.throws(() => decodeStateEntry(entryLine(fields), HEADER.chain), { ...INVALID, message: /expected/ })
  })
}

test('paths that leave the tree are refused, in entries and in places', () => {
  for (const path of ['../x', '/x', 'a/../b', '', 'a/']) {
    assert.throws(() => decodeStateEntry(entryLine({ path }), HEADER.chain), { code: 'IBT_UNSAFE_PATH' })
    const content = [{ date: 0, in: 'full', offset: 0, path }]
    assert.throws(() => decodeStateEntry(entryLine({ content }), HEADER.chain), { code: 'IBT_UNSAFE_PATH' })
  }
  const pathBase64 = Buffer.from('../x').toString('base64')
  assert.throws(() => decodeStateEntry(entryLine({ pathBase64 }), HEADER.chain), { code: 'IBT_UNSAFE_PATH' })
})

for (const [what, fields] of [
  ['no totals', { totals: undefined }],
  ['a total that is text', { totals: { ...CLOSING.totals, files: '1' } }],
  ['a total that is missing', { totals: {} }],
  ['artifacts that are no list', { artifacts: {} }],
  ['an artifact without digest', { artifacts: [{ ...CLOSING.artifacts[0], sha256: undefined }] }],
  ['an artifact with a name of another kind', { artifacts: [{ ...CLOSING.artifacts[0], kind: 'created' }] }],
  [
    'an artifact whose name leaves the store',
    { artifacts: [{ ...CLOSING.artifacts[0], name: `../a.full.${DATES[0]}.tar` }] }
  ]
] as const) {
  test(`a closing line with ${what} is refused`, () => {
    assert.throws(() => decodeStateClosing(closingLine(fields)), INVALID)
  })
}

test('lines that are no JSON, or JSON of another kind, are refused', () => {
  for (const line of ['', '{', 'null', '1', '[]', '"x"', '{"path":', ']', '],', '],[]']) {
    assert.throws(() => decodeStateEntry(line, HEADER.chain), INVALID)
    assert.throws(() => decodeStateHeader(line), INVALID)
    assert.throws(() => decodeStateClosing(line), INVALID)
  }
})

test('a message shows the beginning of the line, and nothing that a terminal acts on', () => {
  const line = entryLine({ path: `\u001b[31m${'x'.repeat(10_000)}`, mode: -1 })
  assert.throws(
    () => decodeStateEntry(line.replace('\\u001b', '\u001b'), HEADER.chain),
    ({ message }: Error) => {
      return message.length < 400 && !message.includes('\u001b')
    }
  )
})
