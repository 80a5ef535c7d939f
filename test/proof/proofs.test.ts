import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parseAge, parseSample } from '../../src/cli/proof-options.js'
import { ProofPass } from '../../src/proof/pass.js'
import { decodeProofs, encodeProofs, Proofs, proofNames } from '../../src/proof/proofs.js'
import { chooseStretches } from '../../src/proof/sample.js'
import { type Stretch, Stretches, stretchBytes } from '../../src/proof/stretches.js'
import { Chain, memoryStore } from '../../src/stores/index.js'
import type { Artifact, StateEntry } from '../../src/types.js'
import { code } from '../helpers/entries.js'

const DATE = '20261101T000000.000Z'
const SHA = 'a'.repeat(64)
const FULL: Artifact = { name: `k.full.${DATE}.tar`, kind: 'full', date: DATE, sizeBytes: 8 << 20, sha256: SHA }
const MIB = 1 << 20

const file = (path: string, offset: number, sizeBytes = 100): StateEntry => ({
  ...{ path, type: 'file', mode: 0, uid: 0, gid: 0, mtimeNs: 0n, sizeBytes },
  places: [{ date: DATE, in: 'full', offset }]
})

test('stretches have a mebibyte, and more where an archive would have more than 256', () => {
  for (const [sizeBytes, expected] of [
    [0, MIB],
    [256 * MIB, MIB],
    [256 * MIB + 1, 2 * MIB],
    [2 ** 50, 2 ** 42]
  ] as const) {
    assert.equal(stretchBytes({ sizeBytes }), expected, `${sizeBytes}`)
  }
})

test('a content belongs to the stretch where its last body begins', () => {
  const stretches = new Stretches([FULL], () => undefined)
  for (const offset of [0, MIB - 512, MIB, 5 * MIB]) stretches.add(file('f', offset))
  assert.deepEqual(
    stretches.all.map(({ index, files, sizeBytes }) => [index, files, sizeBytes]),
    [
      [0, 2, 200],
      [1, 1, 100],
      [5, 1, 100]
    ]
  )
  const delta = {
    ...file('f', 0),
    places: [...file('f', 0).places!, { date: DATE, in: 'updated' as const, offset: 0 }]
  }
  assert.equal(stretches.of(delta), undefined, 'its archive is gone')
  assert.equal(stretches.of({ ...file('d', 0), places: undefined }), undefined)
})

test('a proof is not that of a content of which a part has been written since', () => {
  const later = '20261102T000000.000Z'
  const stretches = new Stretches([FULL], () => ({ provenMs: 5, upTo: DATE }))
  const merged = { date: later, in: 'full' as const, offset: 0 }
  for (const entry of [
    file('a', 0),
    file('b', MIB),
    { ...file('c', MIB), places: [merged, ...file('c', MIB).places!] }
  ]) {
    stretches.add(entry)
  }
  assert.deepEqual(
    stretches.all.map(({ index, provenMs }) => [index, provenMs]),
    [
      [0, 5],
      [1, 0]
    ]
  )
})

const stretchOf = (index: number, provenMs: number): Stretch => ({
  ...{ artifact: FULL, index, provenMs, files: 10, sizeBytes: 1000 }
})

test('what was never proven is chosen first, then what was the longest ago', () => {
  const all = [5, 0, 3, 1, 0, 4].map((provenMs, index) => stretchOf(index, provenMs))
  const times = (percent: number, beforeMs = 0) =>
    [...chooseStretches(all, { percent }, { seed: 's', beforeMs })].map(({ provenMs }) => provenMs)
  assert.deepEqual(times(1), [0])
  assert.deepEqual(times(34), [0, 0, 1])
  assert.deepEqual(times(100), [0, 0, 1, 3, 4, 5])
  assert.deepEqual(times(100, 4), [0, 0, 1, 3])
  assert.equal(chooseStretches(all, { files: 11 }, { seed: 's', beforeMs: 0 }).size, 2)
  assert.equal(chooseStretches(all, { sizeBytes: 2001 }, { seed: 's', beforeMs: 0 }).size, 3)
  assert.equal(chooseStretches([], { files: 1 }, { seed: 's', beforeMs: 0 }).size, 0)
})

test('a stretch is proven when all its contents are, and none was lost or dropped', () => {
  const entries = [
    file('a', 0),
    file('b', MIB),
    file('c', 0),
    file('d', 2 * MIB),
    file('e', 2 * MIB),
    file('f', 3 * MIB)
  ]
  const stretches = new Stretches([FULL], () => undefined)
  for (const entry of entries) stretches.add(entry)
  const chosen = new Set(stretches.all.filter(({ index }) => index !== 3))
  const pass = new ProofPass(stretches, chosen)
  assert.deepEqual(
    entries.map(entry => pass.takes(entry)),
    [true, true, true, true, true, false]
  )
  assert.ok(pass.takes({ ...file('.', 0), type: 'directory', places: undefined }))
  assert.equal(pass.settle('a', true), undefined)
  assert.equal(pass.settle('b', false), undefined)
  assert.equal(pass.settle('c', true)?.index, 0)
  // d was dropped on its way.
  assert.equal(pass.settle('e', true), undefined)
  assert.equal(pass.settle('e', true), undefined)
})

test('proofs read back as they were written', () => {
  const proofs = new Proofs('k')
  for (const index of [0, 1, 2, 7]) proofs.add(FULL, index, { provenMs: 1000, date: DATE, upTo: DATE })
  proofs.add(FULL, 8, { provenMs: 2000, date: DATE, upTo: DATE })
  const bytes = encodeProofs(proofs)
  const { proven } = JSON.parse(bytes.toString()).artifacts[0]
  assert.deepEqual(
    proven.map(({ from, to }: { from: number; to: number }) => [from, to]),
    [
      [0, 2],
      [7, 7],
      [8, 8]
    ]
  )
  const read = decodeProofs(bytes, 'k', 'name')
  const times = [0, 1, 2, 3, 7, 8].map(index => read.find(FULL, index, new Set([DATE]), 3000)?.provenMs ?? 0)
  assert.deepEqual(times, [1000, 1000, 1000, 0, 1000, 2000])
  assert.equal(read.find(FULL, 8, new Set([DATE]), 1999), undefined, 'it is not proven yet')
  assert.equal(read.find(FULL, 0, new Set(), 3000), undefined, 'in another chain')
  assert.deepEqual(encodeProofs(read), bytes)
  assert.throws(() => decodeProofs(bytes, 'other', 'name'), code('IBT_STATE_INVALID'))
})

test('stretches without end are not believed', () => {
  const proofs = new Proofs('k')
  proofs.bind([FULL])
  const honest = JSON.parse(encodeProofs(proofs).toString())
  honest.artifacts[0].proven = [
    null,
    { from: 0, to: 2 ** 50, at: '2026-11-01T00:00:00Z', date: DATE, upTo: DATE },
    { from: -1 }
  ]
  const text = JSON.stringify({ ...honest, sha256: undefined })
  const bytes = Buffer.from(`${text.slice(0, -1)},"sha256":"${createHash('sha256').update(text).digest('hex')}"}\n`)
  assert.equal(decodeProofs(bytes, 'k', 'name').find(FULL, 5, new Set([DATE]), Date.now()), undefined)
})

test('the names of proofs are those of no artifact and of no other key', async () => {
  const store = memoryStore()
  const name = `k.proofs.${DATE}.0123456789abcdef.json`
  const names = [name, `k.x.proofs.${DATE}.0123456789abcdef.json`, `k.proofs.${DATE}.json`, `k.proofs.json`]
  for (const each of names) await store.put(each, [])
  const stored = names.map(each => ({ name: each, sizeBytes: 0 }))
  assert.deepEqual(proofNames(stored, 'k'), [name])
  assert.deepEqual((await Chain.open(store, 'k')).artifacts, [])
})

test('samples and ages are read as they are typed', () => {
  assert.deepEqual(['5%', '0.5 %', '500', '500 files', '1 file', '20G', '1.5M'].map(parseSample), [
    { percent: 5 },
    { percent: 0.5 },
    { files: 500 },
    { files: 500 },
    { files: 1 },
    { sizeBytes: 20 * 2 ** 30 },
    { sizeBytes: 1.5 * 2 ** 20 }
  ])
  for (const text of ['', '0', '0%', '101%', '-5', '5%%', 'all'])
    assert.throws(() => parseSample(text), /is not a sample/)
  assert.deepEqual(
    ['12h', '30d', '2w', '1m'].map(parseAge),
    [12, 720, 336, 730.5].map(hours => hours * 3_600_000)
  )
  for (const text of ['', '30', 'd', '-1d', '1x']) assert.throws(() => parseAge(text), /is not an age/)
})
