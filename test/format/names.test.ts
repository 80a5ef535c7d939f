import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDate } from '../../src/format/dates.js'
import {
  artifactName,
  checkKey,
  keyFromPath,
  lockName,
  parseArtifactName,
  parseRemovedName,
  parseSegmentName,
  removedName,
  segmentName,
  signedName
} from '../../src/format/names.js'
import type { Kind } from '../../src/types.js'

const DATE = '20261101T123015.007Z'
const KINDS: readonly Kind[] = ['full', 'created', 'updated', 'sigvault', 'state']
const isKey = (key: string) => {
  try {
    checkKey(key)
    return true
  } catch {
    return false
  }
}

test('names are key, kind, date, extension and suffixes', () => {
  assert.equal(artifactName({ key: 'home', date: DATE }, 'full', '.zst'), `home.full.${DATE}.tar.zst`)
  assert.equal(artifactName({ key: 'home', date: DATE }, 'sigvault', ''), `home.sigvault.${DATE}.tar`)
  assert.equal(artifactName({ key: 'a.b', date: DATE }, 'state', '.zst.age'), `a.b.state.${DATE}.json.zst.age`)
  assert.deepEqual(parseArtifactName(`a.b.state.${DATE}.json.zst.age`), {
    key: 'a.b',
    kind: 'state',
    date: DATE,
    suffixes: ['zst', 'age']
  })
  const merged = `home.full.${DATE}.asof-20261031T000000.000Z.tar.zst`
  assert.equal(artifactName({ key: 'home', date: DATE, asOf: '20261031T000000.000Z' }, 'full', '.zst'), merged)
  assert.equal(parseArtifactName(merged)?.asOf, '20261031T000000.000Z')
  assert.equal(parseArtifactName(`home.full.${DATE}.asof-20260231T000000.000Z.tar`), undefined)
  assert.equal(lockName('home'), 'home.lock')
})

test('the record of a segment has a name like the merged state of its date', () => {
  const state = `a.segment.state.${DATE}.asof-20261031T000000.000Z.json.zst.age`
  const name = segmentName(state)
  assert.equal(name, `a.segment.segment.${DATE}.asof-20261031T000000.000Z.json.zst.age`)
  const parsed = { key: 'a.segment', date: DATE, asOf: '20261031T000000.000Z', suffixes: ['zst', 'age'] }
  assert.deepEqual(parseSegmentName(name), parsed)
  assert.deepEqual(
    [parseArtifactName(name), parseRemovedName(name), parseSegmentName(state)],
    [undefined, undefined, undefined]
  )
  for (const other of [
    `a.segment.${DATE}.json`,
    `a.segment.${DATE}.asof-${DATE}.tar`,
    `segment.${DATE}.asof-${DATE}.json`
  ])
    assert.equal(parseSegmentName(other), undefined)
  for (const other of [`a.state.${DATE}.json`, `a.full.${DATE}.asof-${DATE}.tar`, 'a.lock'])
    assert.throws(() => segmentName(other), TypeError)
  assert.deepEqual(signedName(name), { key: 'a.segment', kind: 'segment' })
  assert.deepEqual(signedName(state), { key: 'a.segment', kind: 'state' })
  assert.equal(signedName(`a.full.${DATE}.tar`), undefined)
})

test('every name is read back, also if the key looks like a name itself', () => {
  const part = fc.constantFrom(
    'a',
    'full',
    'state',
    'tar',
    'json',
    'zst',
    DATE,
    '20131225T000000.000Z',
    'asof-20131225T000000.000Z',
    'v00001',
    '%2F',
    '-',
    'lock',
    'removed'
  )
  const key = fc
    .array(part, { minLength: 1, maxLength: 6 })
    .map(parts => parts.join('.'))
    .filter(isKey)
  const date = fc.integer({ min: 0, max: Date.UTC(2100, 0) }).map(formatDate)
  const suffixes = fc.array(fc.constantFrom('zst', 'gz', 'age', 'full', 'tar', 'v00001'), { maxLength: 3 })
  fc.assert(
    fc.property(key, fc.constantFrom(...KINDS), date, fc.option(date), suffixes, (key, kind, date, asOf, suffixes) => {
      const id = asOf === null ? { key, date } : { key, date, asOf }
      const name = artifactName(id, kind, suffixes.map(suffix => `.${suffix}`).join(''))
      assert.deepEqual(parseArtifactName(name), { ...id, kind, suffixes })
      assert.equal(parseRemovedName(name), undefined)
      if (kind !== 'state') return
      const removed = removedName(name, DATE)
      assert.deepEqual(parseRemovedName(removed), { ...id, state: name, at: DATE })
      assert.equal(parseArtifactName(removed), undefined)
    }),
    { seed: 2, numRuns: 2000 }
  )
})

test('the name of a removed state has the time of the removal, and no other name is one', () => {
  const name = removedName(`home.state.${DATE}.json.zst`, '20270101T000000.000Z')
  assert.equal(name, `home.removed.${DATE}.at-20270101T000000.000Z.json.zst`)
  for (const other of [
    name.replace('at-2027', 'at-2x27'),
    name.replace('.json', '.tar'),
    name.replace('.at-', '.'),
    name.replace(DATE, '20260230T000000.000Z'),
    `.${name}`,
    `a/${name}`
  ]) {
    assert.equal(parseRemovedName(other), undefined, other)
  }
  assert.throws(() => removedName(`home.full.${DATE}.tar`, DATE), TypeError)
  assert.throws(() => removedName(`home.state.${DATE}.json`, 'yesterday'), TypeError)
})

test('what is not exactly a name is none', () => {
  for (const name of [
    '',
    'home.lock',
    `home.full.${DATE}.json`,
    `home.state.${DATE}.tar`,
    `home.full.${DATE}.tgz`,
    `home.full.${DATE}.v00001.tar`,
    `home.full.20260230T000000.000Z.tar`,
    `home.full.${DATE}.tar.ZST`,
    `home.full.${DATE}.tar.`,
    `home.full.${DATE}.tar.zst\n`,
    `ho/me.full.${DATE}.tar`,
    `../home.full.${DATE}.tar`,
    `.home.full.${DATE}.tar`,
    `.full.${DATE}.tar`,
    `${'k'.repeat(101)}.full.${DATE}.tar`,
    `home.delta.${DATE}.tar`
  ]) {
    assert.equal(parseArtifactName(name), undefined, name)
  }
})

test('keys are 1 to 100 letters, digits, underscores, hyphens, inner dots and %XX', () => {
  for (const key of ['a', 'A-b_c.d', 'a..b', '%2Egit', 'k'.repeat(100)]) checkKey(key)
  for (const key of ['', '.', '.a', 'a.', 'a/b', 'a b', 'ä', '%', '%2', '%2g', '%2e', 'a\n', 'k'.repeat(101)]) {
    assert.throws(() => checkKey(key), { code: 'IBT_NAME_INVALID' }, key)
    assert.throws(() => artifactName({ key, date: DATE }, 'full', ''), { code: 'IBT_NAME_INVALID' })
    assert.throws(() => lockName(key), { code: 'IBT_NAME_INVALID' })
  }
})

test('a wrong suffix or date is refused', () => {
  for (const suffix of ['zst', '.', '.ZST', '.zst/', '.a b'])
    assert.throws(() => artifactName({ key: 'a', date: DATE }, 'full', suffix), TypeError)
  assert.throws(() => artifactName({ key: 'a', date: '2026' }, 'full', ''), { code: 'IBT_NAME_INVALID' })
})

test('the key of a source is its base name, with what a key cannot hold as %XX', () => {
  for (const [path, key] of [
    ['/', 'root'],
    ['/home/me', 'me'],
    ['/home/me/', 'me'],
    ['/srv/a.b', 'a.b'],
    ['/home/me/.config', '%2Econfig'],
    ['/srv/dot.', 'dot%2E'],
    ['/srv/a b%', 'a%20b%25'],
    ['/srv/é', '%C3%A9'],
    ['/srv/\udcff', '%FF'],
    ['/srv/.', '%2E']
  ] as const) {
    assert.equal(keyFromPath(path), key)
  }
})

test('every base name gives a valid key, and different names different keys', () => {
  const name = fc
    .string({ unit: 'binary', minLength: 1, maxLength: 120 })
    .filter(text => !text.includes('/') && text.isWellFormed())
  fc.assert(
    fc.property(name, name, (a, b) => {
      checkKey(keyFromPath(`/srv/${a}`))
      assert.equal(keyFromPath(`/srv/${a}`) === keyFromPath(`/srv/${b}`), a === b)
    }),
    { seed: 3, numRuns: 1000 }
  )
  const long = 'x'.repeat(254)
  assert.notEqual(keyFromPath(`/${long}a`), keyFromPath(`/${long}b`))
  assert.equal(keyFromPath(`/${long}a`).length, 100)
})
