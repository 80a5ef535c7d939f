import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodeStateEntry } from '../../src/format/state-decode.js'
import { encodeStateEntry } from '../../src/format/state-encode.js'
import { LineMatcher, listDirectory, UsedKind } from '../../src/native.js'
import { encodePath } from '../../src/path.js'
import { ListedDirectory } from '../../src/source/listed.js'
import type { Place, StateEntry } from '../../src/types.js'
import { createRandom } from '../helpers/random.js'
import { CHAIN_INDEX, DATES, HEADER, ODD_NAMES } from '../helpers/state-samples.js'
import { temporaryDirectory } from './tree.js'

const SHA = '0123456789abcdef'.repeat(4)
const [FULL, SECOND] = DATES

async function listed(root: string, path = '.'): Promise<ListedDirectory> {
  const bytes = Buffer.from(root)
  return new ListedDirectory(bytes, path, await listDirectory(bytes, path))
}

/** What a state says of an entry that was stored. */
function recorded(directory: ListedDirectory, i: number, content: Partial<StateEntry> = {}): StateEntry {
  const { content: _, ...metadata } = directory.entry(i)
  if (metadata.type !== 'file') return metadata
  const places: readonly Place[] = [{ date: FULL, in: 'full', offset: 512 }]
  return { ...metadata, sha256: SHA, places, ...content }
}

function lineOf(entry: StateEntry): string {
  return `${encodeStateEntry(entry, CHAIN_INDEX)},\n`
}

function matchAll(directory: ListedDirectory, lines: readonly string[], matcher = new LineMatcher(DATES.length)) {
  const bytes = Buffer.from(lines.join(''))
  const count = matcher.match(directory, 0, directory.listing.count, bytes, 0)
  return { count, end: matcher.end, matcher, bytes }
}

test('entries match their own lines, and their files and bytes are counted', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'b'), '12345')
  writeFileSync(join(root, 'c'), '1')
  mkdirSync(join(root, 'a'))
  symlinkSync('some "where"', join(root, 'y'))
  symlinkSync('somewhere', join(root, 'x'))
  const directory = await listed(root)
  const lines = Array.from({ length: 5 }, (_, i) => lineOf(recorded(directory, i)))
  const { count, matcher, end } = matchAll(directory, lines)
  assert.equal(count, 4, 'a target that JSON escapes is left to others')
  assert.equal(end, Buffer.byteLength(lines.slice(0, 4).join('')))
  assert.deepEqual([matcher.files, matcher.sizeBytes], [2, 6])
})

test('every fact that differs ends a run', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), '12345')
  const directory = await listed(root)
  const same = recorded(directory, 0)
  const differences: Partial<StateEntry>[] = [
    { path: 'fild' },
    { path: 'file2' },
    { type: 'directory' },
    { mode: same.mode ^ 1 },
    { uid: same.uid + 1 },
    { gid: same.gid + 1 },
    { uname: 'nobody else' },
    { gname: undefined },
    { mtimeNs: same.mtimeNs + 1n },
    { ctimeNs: same.ctimeNs! + 1n },
    { ctimeNs: undefined },
    { ino: same.ino! + 1n },
    { ino: undefined },
    { sizeBytes: 4 },
    { sparse: true },
    { link: 0 },
    { xattrs: new Map([['user.a', Buffer.from('b')]]) },
    { sha256: undefined },
    { places: undefined },
    { dirty: true },
    { racy: true },
    { carried: true },
    { places: [{ date: FULL, in: 'full', offset: 512, path: 'elsewhere' }] }
  ]
  assert.equal(matchAll(directory, [lineOf(same)]).count, 1)
  for (const difference of differences) {
    const lines = [lineOf({ ...same, ...difference })]
    assert.equal(matchAll(directory, lines).count, 0, lines[0])
  }
})

test('only lines that a reader would take match', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), '12345')
  const directory = await listed(root)
  const line = lineOf(recorded(directory, 0, { signature: { date: SECOND, offset: 1024 } }))
  assert.equal(matchAll(directory, [line]).count, 1)
  const wrong = [
    line.replace('"offset":512', '"offset":513'),
    line.replace('"offset":512', '"offset":0512'),
    line.replace('"offset":512', '"offset":9007199254740992'),
    line.replace('"offset":512', '"offset":'),
    line.replace('"date":0', '"date":3'),
    line.replace('"date":0', '"date":-1'),
    line.replace('"in":"full"', '"in":"sigvault"'),
    line.replace('"offset":1024', '"offset":1025'),
    line.replace('"signature":{"date":1', '"signature":{"date":3'),
    line.replace(SHA, SHA.toUpperCase()),
    line.replace(SHA, SHA.slice(1)),
    line.replace(',"content":', ', "content":'),
    line.replace('},\n', '}\n'),
    line.replace('},\n', '},'),
    line.replace('[{', '[{"date":0,"in":"full","offset":0},{')
  ]
  for (const text of wrong) assert.equal(matchAll(directory, [text]).count, 0, text)
  for (let length = 0; length < line.length; length++) {
    assert.equal(matchAll(directory, [line.slice(0, length)]).count, 0)
  }
})

test('what lines refer to is told by date', async t => {
  const root = temporaryDirectory(t)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(root, name), name)
  const directory = await listed(root)
  const delta: readonly Place[] = [
    { date: SECOND, in: 'created', offset: 0 },
    { date: DATES[2], in: 'updated', offset: 512, sizeBytes: 77 }
  ]
  const lines = [
    lineOf(recorded(directory, 0, { signature: { date: FULL, offset: 0 } })),
    lineOf(recorded(directory, 1, { places: delta })),
    lineOf(recorded(directory, 2, { dirty: true, signature: { date: DATES[2], offset: 0 } }))
  ]
  const { count, matcher } = matchAll(directory, lines)
  assert.equal(count, 2)
  assert.deepEqual([...matcher.takeUsed()], [UsedKind.full | UsedKind.sigvault, UsedKind.created, UsedKind.updated])
  assert.deepEqual([...matcher.takeUsed()], [0, 0, 0])
})

test('whatever the names, a line matches if it says what would be written, unless it has escapes', async t => {
  const seed = Number(process.env.SEED ?? 5)
  t.diagnostic(`seed ${seed}`)
  const random = createRandom(seed)
  const root = temporaryDirectory(t)
  const below = join(root, 'é b')
  mkdirSync(below)
  for (const name of [...ODD_NAMES, 'a', 'b', 'c', '\udcff', 'a\udc80']) {
    if (/^[^/\0]{1,255}$/s.test(name)) writeFileSync(Buffer.concat([Buffer.from(`${below}/`), encodePath(name)]), name)
  }
  const directory = await listed(root, 'é b')
  const { count } = directory.listing
  const matcher = new LineMatcher(DATES.length)
  let at = 0
  for (let i = 0; i < count; i++) {
    const entry = recorded(directory, i, random.chance(0.5) ? { signature: { date: FULL, offset: 512 } } : {})
    const isSame = random.chance(0.7)
    const line = lineOf(isSame ? entry : { ...entry, mtimeNs: entry.mtimeNs + 1n })
    const bytes = Buffer.from(`${' '.repeat(at)}${line}`)
    const expected = isSame && !line.includes('\\') && !line.includes('Base64') ? 1 : 0
    assert.equal(matcher.match(directory, i, i + 1, bytes, at), expected, line)
    if (expected === 1) assert.equal(lineOf(decodeStateEntry(line, HEADER.chain)), line)
    at = (at + 3) % 7
  }
})
