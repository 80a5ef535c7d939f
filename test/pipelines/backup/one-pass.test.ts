import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { PART_BYTES } from '../../../src/constants.js'
import { parseArtifactName } from '../../../src/format/names.js'
import { fullBackup, incrementalBackup, mergeBackups, restoreBackup, restoreTar } from '../../../src/index.js'
import { createScanner } from '../../../src/native.js'
import { memoryStore, wrapStore } from '../../../src/stores/index.js'
import type { Layered, Stage, Store } from '../../../src/types.js'
import { randomBytes, temporaryDirectory } from '../../native/tree.js'

const SMALL_BYTES = 600_000

/** A source that is backed up into memory, and which ranges of which archives are read. */
class Watched {
  readonly source: string
  readonly target: string
  readonly ranges: { readonly name: string; readonly sizeBytes: number }[] = []
  readonly store: Store
  #runs = 0

  constructor(readonly t: TestContext) {
    const base = temporaryDirectory(t)
    this.source = join(base, 'source')
    this.target = join(base, 'target')
    const memory = memoryStore()
    const { ranges } = this
    this.store = wrapStore(memory, {
      async *get(name, range, options) {
        let sizeBytes = 0
        for await (const chunk of memory.get(name, range, options)) {
          sizeBytes += chunk.length
          yield chunk
        }
        ranges.push({ name, sizeBytes })
      }
    })
  }

  write(path: string, bytes: Uint8Array): void {
    mkdirSync(dirname(join(this.source, path)), { recursive: true })
    writeFileSync(join(this.source, path), bytes)
  }

  /** Overwrites some bytes. */
  edit(path: string, at: number, bytes: Uint8Array): void {
    const content = readFileSync(join(this.source, path))
    content.set(bytes, at)
    this.write(path, content)
  }

  async backup(): Promise<string> {
    const backup = this.#runs++ === 0 ? fullBackup : incrementalBackup
    return (await backup(this.source, { store: this.store, cache: false, key: 'key' })).date
  }

  /** Names of the archives that were read, and their bytes. */
  archives(): { readonly kinds: string[]; readonly storedBytes: number } {
    const read = this.ranges.filter(({ name }) => !['state', 'sigvault'].includes(parseArtifactName(name)!.kind))
    const kinds = [...new Set(read.map(({ name }) => name))].map(name => {
      const { date, kind } = parseArtifactName(name)!
      return `${kind} ${date}`
    })
    return { kinds: kinds.sort(), storedBytes: read.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) }
  }
}

test('one file of a chain is restored from the archives that have it, and from its frames', async t => {
  const watched = new Watched(t)
  const names = Array.from({ length: 12 }, (_, i) => `d${i}/file`)
  for (const [i, name] of names.entries()) watched.write(name, randomBytes(SMALL_BYTES, i + 1))
  const dates = [await watched.backup()]
  for (let round = 0; round < 6; round++) {
    watched.edit(names[round % 3]!, round * 1000, randomBytes(500, 100 + round))
    dates.push(await watched.backup())
  }
  watched.ranges.splice(0)
  const options = { store: watched.store, cache: false as const, paths: ['/d1/file'] }
  const { reads, files } = await restoreBackup('key', watched.target, options)
  assert.equal(files, 1)
  assert.deepEqual(readFileSync(join(watched.target, 'd1/file')), readFileSync(join(watched.source, 'd1/file')))
  const { kinds, storedBytes } = watched.archives()
  // The second file was edited in the second and the fifth increment.
  assert.deepEqual(kinds, [`full ${dates[0]}`, `updated ${dates[2]}`, `updated ${dates[5]}`])
  assert.deepEqual([reads.archives, reads.ofArchives, reads.storedBytes], [3, 7, storedBytes])
  assert.ok(storedBytes < 4 * (1 << 20), `${storedBytes} of ${reads.ofStoredBytes}`)
  assert.ok(reads.requests <= 12, `${reads.requests} requests`)
  const unchanged = await restoreBackup('key', `${watched.target}2`, { ...options, paths: ['/d9'] })
  assert.equal(unchanged.reads.archives, 1)
})

test('a large file with deltas of several parts is restored with each frame read once', async t => {
  const watched = new Watched(t)
  const content = randomBytes(3 * PART_BYTES, 1)
  watched.write('large', content)
  watched.write('other', randomBytes(1000, 2))
  await watched.backup()
  for (let round = 0; round < 2; round++) {
    watched.edit('large', PART_BYTES * (1.1 + round * 0.2), randomBytes(PART_BYTES * 1.2, 3 + round))
    await watched.backup()
  }
  const options = { store: watched.store, cache: false as const }
  watched.ranges.splice(0)
  const { reads } = await restoreBackup('key', watched.target, options)
  const expected = readFileSync(join(watched.source, 'large'))
  assert.ok(readFileSync(join(watched.target, 'large')).equals(expected))
  assert.deepEqual(readdirSync(watched.target).sort(), ['large', 'other'])
  assert.deepEqual([reads.archives, reads.ofArchives], [3, 3])
  assert.ok(reads.storedBytes < reads.ofStoredBytes! * 1.02, `${reads.storedBytes} of ${reads.ofStoredBytes}`)
  const digest = createHash('sha256')
  const tar = await restoreTar(
    'key',
    async source => {
      for await (const chunk of source) digest.update(chunk)
    },
    options
  )
  assert.equal(tar.files, 2)
  assert.deepEqual([tar.reads.archives, tar.reads.ofArchives], [3, 3])
})

test('a long chain is read in step with its files: each archive is opened once', async t => {
  const watched = new Watched(t)
  const names = Array.from({ length: 8 }, (_, i) => `file${i}`)
  for (const [i, name] of names.entries()) watched.write(name, randomBytes(200_000, i + 1))
  await watched.backup()
  for (let round = 0; round < 30; round++) {
    for (const name of names) watched.edit(name, round * 5000, randomBytes(50, 100 + round))
    await watched.backup()
  }
  const { reads } = await restoreBackup('key', watched.target, { store: watched.store, cache: false })
  for (const name of names) {
    assert.ok(readFileSync(join(watched.target, name)).equals(readFileSync(join(watched.source, name))))
  }
  assert.deepEqual([reads.archives, reads.ofArchives], [31, 31])
  assert.ok(reads.requests <= 3 * 31, `${reads.requests} requests`)
  assert.ok(reads.storedBytes < reads.ofStoredBytes! * 1.5, `${reads.storedBytes} of ${reads.ofStoredBytes}`)
})

test('what a restore reads after a merge is counted of what is needed then', async t => {
  const watched = new Watched(t)
  watched.write('file', randomBytes(100_000, 1))
  const dates = [await watched.backup()]
  for (let round = 0; round < 3; round++) {
    watched.edit('file', round * 10_000, randomBytes(50, 100 + round))
    dates.push(await watched.backup())
  }
  const options = { store: watched.store, cache: false } as const
  assert.equal((await restoreBackup('key', watched.target, options)).reads.ofArchives, 4)
  await mergeBackups('key', { ...options, at: dates[2] })
  const { reads } = await restoreBackup('key', `${watched.target}2`, options)
  assert.deepEqual([reads.archives, reads.ofArchives], [2, 2])
  assert.deepEqual(readFileSync(join(`${watched.target}2`, 'file')), readFileSync(join(watched.source, 'file')))
})

/** A large file of three dates, of which the oldest was restored. */
async function restoredBefore(t: TestContext): Promise<{ watched: Watched; expected: Buffer }> {
  const watched = new Watched(t)
  watched.write('large', randomBytes(3 * PART_BYTES, 1))
  const first = await watched.backup()
  watched.edit('large', PART_BYTES, randomBytes(100_000, 2))
  await watched.backup()
  const content = readFileSync(join(watched.source, 'large'))
  watched.write('large', Buffer.concat([randomBytes(1000, 3), content]))
  await watched.backup()
  await restoreBackup('key', watched.target, { store: watched.store, cache: false, at: first })
  return { watched, expected: readFileSync(join(watched.source, 'large')) }
}

const OVER = { cache: false, overwrite: 'if-changed' } as const

test('a restore over an old version of a large file reads from the archives what that does not have', async t => {
  const { watched, expected } = await restoredBefore(t)
  const old = join(watched.target, 'large')
  const { reads } = await restoreBackup('key', watched.target, { store: watched.store, ...OVER })
  assert.ok(readFileSync(old).equals(expected))
  assert.ok(reads.storedBytes < 5_000_000, `${reads.storedBytes} bytes`)
  // Moved, cut, and with something else in its middle.
  writeFileSync(
    old,
    Buffer.concat([expected.subarray(5_000_000), randomBytes(70_000, 4), expected.subarray(0, 4_000_000)])
  )
  await restoreBackup('key', watched.target, { store: watched.store, ...OVER })
  assert.ok(readFileSync(old).equals(expected))
  // Nothing of it.
  writeFileSync(old, randomBytes(PART_BYTES, 5))
  await restoreBackup('key', watched.target, { store: watched.store, ...OVER })
  assert.ok(readFileSync(old).equals(expected))
  assert.deepEqual(readdirSync(watched.target), ['large'])
})

test('an old version that proves to be another, or a signature that is gone, costs reading the archives', async t => {
  const { watched, expected } = await restoredBefore(t)
  const large = join(watched.target, 'large')
  const old = readFileSync(large)
  const errors: string[] = []
  const others: Stage<Layered> = async function* (source) {
    // The signature of another content: what it finds in the old version is wrong.
    for await (const entry of source) {
      const readSignature = entry.readSignature && (() => signatureOf(Buffer.concat([old.subarray(0, 1000), old])))
      yield { ...entry, readSignature }
    }
  }
  const options = { store: watched.store, ...OVER, onError: (error: Error) => errors.push(error.message) }
  await restoreBackup('key', watched.target, { ...options, stages: { filter: others } })
  assert.ok(readFileSync(large).equals(expected))
  writeFileSync(large, old)
  for await (const { name } of watched.store.list()) {
    if (name.includes('.sigvault.')) await watched.store.delete(name)
  }
  await restoreBackup('key', watched.target, options)
  assert.ok(readFileSync(large).equals(expected))
  assert.deepEqual([readdirSync(watched.target), errors], [['large'], []])
})

async function signatureOf(content: Uint8Array): Promise<Buffer> {
  const scanner = createScanner({ sizeBytes: content.length, sign: true })
  await scanner.update(content)
  return (await scanner.finish()).signature
}
