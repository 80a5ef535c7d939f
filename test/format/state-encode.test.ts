import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { encodeStateEntry } from '../../src/format/state-encode.js'
import { encodePath, isUtf8Path } from '../../src/path.js'
import { code } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { CHAIN_INDEX, DATES, ENTRIES, encodeState, HEADER, ODD_NAMES } from '../helpers/state-samples.js'

test('a state is one JSON document that is also one entry a line', () => {
  const text = encodeState()
  const state = JSON.parse(text)
  assert.equal(text.split('\n').length, ENTRIES.length + 3)
  assert.deepEqual(Object.keys(state).slice(0, 3), ['format', 'version', 'requires'])
  assert.equal(state.format, 'incremental-backups-tools state')
  assert.equal(state.version, 1)
  assert.deepEqual(state.requires, [])
  assert.equal(state.entries.length, ENTRIES.length)
  assert.deepEqual(state.chain, HEADER.chain)
  assert.equal(state.startedNs, String(HEADER.startedNs))
  assert.equal(state.artifacts.length, 1)
})

test('JSON.parse gives every odd name: as text if it is UTF-8, else in base64', () => {
  const { entries } = JSON.parse(encodeState()) as { entries: { path: string; pathBase64?: string }[] }
  for (const [i, { path }] of ENTRIES.entries()) {
    const found = entries[i]!
    if (isUtf8Path(path)) assert.deepEqual([found.path, found.pathBase64], [path, undefined])
    else assert.deepEqual(Buffer.from(found.pathBase64!, 'base64'), encodePath(path))
  }
})

test('a state without entries is a JSON document, too', () => {
  assert.deepEqual(JSON.parse(encodeState([])).entries, [])
})

test('jq reads every name', oracle('jq'), () => {
  const { stdout, stderr, status } = spawnSync('jq', ['-j', '.entries[] | .path, "\\u0000"'], { input: encodeState() })
  assert.equal(stderr.toString(), '')
  assert.equal(status, 0)
  const names = stdout.toString().split('\0').slice(0, -1)
  const expected = ENTRIES.map(({ path }) => encodePath(path).toString('utf8'))
  assert.deepEqual(names, expected)
})

test('an entry has its fields in the order of the format', () => {
  const entry = ENTRIES.find(({ path }) => path === 'all')!
  assert.deepEqual(Object.keys(JSON.parse(encodeStateEntry(entry, CHAIN_INDEX))), [
    'path',
    'type',
    'mode',
    'uid',
    'gid',
    'mtimeNs',
    'ctimeNs',
    'ino',
    'sizeBytes',
    'link',
    'xattrs',
    'sha256',
    'content',
    'signature',
    'dirty',
    'carried',
    'racy',
    'expectedSha256'
  ])
})

test('a place names its date by the place in the chain, this backup by the last', () => {
  const entry = {
    ...ENTRIES[0]!,
    places: [
      { date: DATES[1], in: 'created' as const, offset: 0 },
      { date: '', in: 'updated' as const, offset: 512 }
    ]
  }
  const { content } = JSON.parse(encodeStateEntry(entry, CHAIN_INDEX))
  assert.deepEqual(
    content.map(({ date }: { date: number }) => date),
    [1, 2]
  )
  assert.throws(() => encodeStateEntry(entry, new Map([[DATES[1], 0]])), code('IBT_STATE_INVALID'))
})

test('flags that are false are not written', () => {
  const line = encodeStateEntry({ ...ENTRIES[0]!, dirty: false, carried: undefined, racy: false }, CHAIN_INDEX)
  assert.ok(!/dirty|carried|racy/.test(line))
})

test('no name breaks a line', () => {
  for (const name of ODD_NAMES) assert.ok(!encodeStateEntry({ ...ENTRIES[0]!, path: name }, CHAIN_INDEX).includes('\n'))
})
