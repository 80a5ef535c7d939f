import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  compose,
  fullBackup,
  type IncrementalStages,
  incrementalBackup,
  listEntries,
  restoreBackup,
  verifyBackup
} from '../../src/index.js'
import { memoryStore } from '../../src/stores/index.js'
import { type Entry, isEntry, type Source, type Stage } from '../../src/types.js'
import { code, collect } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { takeSnapshot } from '../helpers/snapshot.js'
import { temporaryDirectory } from '../native/tree.js'

// biome-ignore lint/suspicious/noExplicitAny: it stands between any two stages
type Splice = Stage<any>

/** Where a stage of a caller's own may stand. */
const PLACES = {
  'behind filter': (d, own) => ({ filter: compose(d.filter, own) }),
  'in front of diff': (d, own) => ({ diff: compose(own, d.diff) }),
  'behind diff': (d, own) => ({ diff: compose(d.diff, own) }),
  'behind sign': (d, own) => ({ sign: compose(d.sign, own) }),
  'behind pack': (d, own) => ({ pack: compose(d.pack, own) }),
  'behind encode': (d, own) => ({ encode: compose(d.encode as Splice, own) as never })
} satisfies Record<string, (defaults: IncrementalStages, own: Splice) => Partial<IncrementalStages>>

type PlaceName = keyof typeof PLACES
const NAMES = Object.keys(PLACES) as PlaceName[]
const BEFORE_DIFF = NAMES.slice(0, 2)
const BEFORE_PACK = NAMES.slice(0, 4)
const BEHIND_PACK = NAMES.slice(4)

/** A stage that makes any number of entries of each; a deleted one passes. */
function each(change: (entry: Entry) => readonly Entry[]): Splice {
  return async function* eachStage(source: Source<Entry>) {
    for await (const item of source) {
      if (!isEntry(item) || (item as { change?: string }).change === 'deleted') yield item
      else yield* change(item)
    }
  }
}

/** Changes the chosen entries, in copies or in place. */
const setting = (isChosen: RegExp, fields: (entry: Entry) => Partial<Entry>, isCopied: boolean) =>
  each(entry => {
    if (!isChosen.test(entry.path)) return [entry]
    return [isCopied ? { ...entry, ...fields(entry) } : Object.assign(entry, fields(entry))]
  })

const bytesOf = (text: string): Pick<Entry, 'sizeBytes' | 'content'> => ({
  sizeBytes: text.length,
  content: { open: () => [Buffer.from(text)], isRepeatable: true }
})
const own = { mode: 0o644, uid: process.getuid!(), gid: process.getgid!(), mtimeNs: 1_400_000_000_000_000_000n }
const fileAt = (path: string, text: string): Entry => ({ path, type: 'file', ...own, ...bytesOf(text) })
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

interface Restored {
  type: string
  mode?: number
  mtimeNs: bigint
  sha256?: string
  linkname?: string
}
type Restoring = Map<string, Restored>

const FILES = /^(m\/f[0-4].|a|middle|d\/x)$/
const LINK = /^l$/

interface Case {
  readonly at: readonly PlaceName[]
  readonly stage: (isCopied: boolean) => Splice
  /** What the snapshot of the source becomes. */
  readonly expected?: (tree: Restoring) => void
  readonly refused?: (place: PlaceName) => string
}

const set = (isChosen: RegExp, fields: (entry: Entry) => Partial<Entry>) => (isCopied: boolean) =>
  setting(isChosen, fields, isCopied)

function changing(isChosen: RegExp, change: (kept: Restored, path: string) => Partial<Restored>) {
  return (tree: Restoring) => {
    for (const [path, kept] of tree) if (isChosen.test(path)) tree.set(path, { ...kept, ...change(kept, path) })
  }
}

function moving(isChosen: RegExp, to: (path: string) => string) {
  return (tree: Restoring) => {
    for (const [path, kept] of [...tree]) if (isChosen.test(path) && tree.delete(path)) tree.set(to(path), kept)
  }
}

/** The first two of many files, each with the content of the other. */
function swap(): Splice {
  let first: Entry | undefined
  return each(entry => {
    if (entry.path === 'm/f10') {
      first = entry
      return []
    }
    if (entry.path !== 'm/f11' || first === undefined) return [entry]
    const { content, sizeBytes } = first
    return [
      { ...first, content: entry.content, sizeBytes: entry.sizeBytes },
      { ...entry, content, sizeBytes }
    ]
  })
}

const late = 'IBT_STATE_INVALID'
const toFifo = () => ({ type: 'fifo', content: undefined, sizeBytes: undefined }) as const
const toPath = (to: (path: string) => string) => (entry: Entry) => ({ path: to(entry.path) })
const behind = (path: string) => `${path}.v`
const others = (path: string) => path.replace(/^m/, 'm2')

const CASES: Readonly<Record<string, Case>> = {
  mode: {
    at: BEFORE_PACK,
    stage: set(FILES, () => ({ mode: 0o640 })),
    expected: changing(FILES, () => ({ mode: 0o640 }))
  },
  time: {
    at: BEFORE_PACK,
    stage: set(FILES, () => ({ mtimeNs: own.mtimeNs })),
    expected: changing(FILES, () => ({ mtimeNs: own.mtimeNs }))
  },
  'target of a link': {
    at: BEFORE_PACK,
    stage: set(LINK, () => ({ linkname: 'other' })),
    expected: changing(LINK, () => ({ linkname: 'other' }))
  },
  'type, to a FIFO': {
    at: BEFORE_PACK,
    stage: set(FILES, toFifo),
    expected: changing(FILES, ({ sha256: _, ...kept }) => ({ ...kept, type: 'fifo', sha256: undefined! }))
  },
  'type, of a link to a file': {
    at: BEFORE_PACK,
    stage: set(LINK, () => ({ type: 'file', linkname: undefined, mode: 0o644, ...bytesOf('target') })),
    expected: changing(LINK, () => ({ type: 'file', linkname: undefined!, mode: 0o644, sha256: sha256('target') }))
  },
  content: {
    at: BEFORE_DIFF,
    stage: set(FILES, ({ path }) => bytesOf(`content of ${path}`)),
    expected: changing(FILES, (_, path) => ({ sha256: sha256(`content of ${path}`) }))
  },
  'contents of two files': {
    at: BEFORE_DIFF,
    stage: swap,
    expected: tree => {
      const [a, b] = [tree.get('m/f10')!, tree.get('m/f11')!]
      tree.set('m/f10', { ...a, sha256: b.sha256! })
      tree.set('m/f11', { ...b, sha256: a.sha256! })
    }
  },
  path: { at: BEFORE_PACK, stage: set(FILES, toPath(behind)), expected: moving(FILES, behind) },
  'paths of a directory': {
    at: BEFORE_PACK,
    stage: set(/^m(\/|$)/, toPath(others)),
    expected: moving(/^m(\/|$)/, others)
  },
  'path, to one that comes earlier': {
    at: BEFORE_PACK,
    stage: set(/^middle$/, () => ({ path: 'b' })),
    refused: () => 'IBT_OUT_OF_ORDER'
  },
  'path, to one outside': {
    at: ['behind filter', 'behind diff', 'behind sign'],
    stage: set(/^m\/f10$/, () => ({ path: '../f10' })),
    refused: () => 'IBT_UNSAFE_PATH'
  },
  'path, behind pack': { at: BEHIND_PACK, stage: set(FILES, toPath(behind)), refused: () => late },
  'an entry without a time': {
    at: BEFORE_PACK,
    stage: set(/^(a|d)$/, () => ({ mtimeNs: undefined! })),
    refused: () => late
  },
  'an entry that comes twice': {
    at: NAMES,
    stage: () => each(entry => (entry.path === 'm/f10' ? [entry, entry] : [entry])),
    refused: () => 'IBT_OUT_OF_ORDER'
  },
  'a directory that is dropped': {
    at: ['behind filter'],
    stage: () => each(entry => (entry.path === 'm' ? [] : [entry])),
    expected: tree => {
      tree.delete('m')
    }
  },
  'a directory that is dropped later': {
    at: NAMES.slice(1),
    stage: () => each(entry => (entry.path === 'm' ? [] : [entry])),
    refused: () => 'IBT_UNSAFE_PATH'
  },
  'entries that are dropped': {
    at: BEFORE_PACK,
    stage: () => each(entry => (/^m\/f1/.test(entry.path) ? [] : [entry])),
    expected: tree => {
      for (const path of [...tree.keys()]) if (/^m\/f1/.test(path)) tree.delete(path)
    }
  },
  'entries from scratch': {
    at: BEFORE_PACK,
    stage: () => each(entry => (entry.path === 'm/f10' ? [fileAt('m/f10', 'mine'), fileAt('m/f10x', 'x')] : [entry])),
    expected: tree => {
      const kept = { ...tree.get('m/f10')!, mode: own.mode, mtimeNs: own.mtimeNs }
      tree.set('m/f10', { ...kept, sha256: sha256('mine') })
      tree.set('m/f10x', { ...kept, sha256: sha256('x') })
    }
  },
  'entries from scratch, behind pack': {
    at: BEHIND_PACK,
    stage: () => each(entry => (entry.path === 'm/f10' ? [entry, fileAt('m/f10x', 'x')] : [entry])),
    refused: () => late
  }
}

function makeTree(root: string): void {
  for (const directory of ['d/e', 'm']) mkdirSync(join(root, directory), { recursive: true })
  const random = createRandom(5)
  for (const name of ['a', 'd/x', 'd/e/y', 'h1']) writeFileSync(join(root, name), name)
  for (let i = 10; i < 60; i++) writeFileSync(join(root, `m/f${i}`), `f${i} ${'x'.repeat(2 * i)}`)
  writeFileSync(join(root, 'middle'), random.bytes(200_000))
  linkSync(join(root, 'h1'), join(root, 'h2'))
  symlinkSync('a', join(root, 'l'))
  for (const name of readdirSync(join(root, 'm'))) utimesSync(join(root, 'm', name), 1_600_000_000, 1_600_000_000)
}

function editTree(root: string): void {
  writeFileSync(join(root, 'a'), 'another')
  writeFileSync(join(root, 'm/f20'), 'changed')
  writeFileSync(join(root, 'm/f2new'), 'new')
  rmSync(join(root, 'm/f40'))
  chmodSync(join(root, 'm/f41'), 0o600)
  const bytes = readFileSync(join(root, 'middle'))
  bytes[100_000]! ^= 1
  writeFileSync(join(root, 'middle'), bytes)
}

const MADE = ['.', 'm']

/** The restored tree without the times of directories that the case makes or changes. */
function compared(tree: Restoring): object {
  const kept = [...tree].filter(([path]) => !MADE.includes(path))
  return Object.fromEntries(kept.map(([path, entry]) => [path, Object.fromEntries(definedOf(entry))]))
}

function definedOf(entry: Restored): (readonly [string, unknown])[] {
  const { type, mode, mtimeNs, sha256, linkname } = entry
  return Object.entries({ type, mode: type === 'symlink' ? undefined : mode, mtimeNs, sha256, linkname }).filter(
    ([, value]) => value !== undefined
  )
}

for (const [name, { at, stage, expected, refused }] of Object.entries(CASES)) {
  for (const [i, place] of at.entries()) {
    // Items of diff, sign and pack may be frozen.
    const isCopied = i % 2 === 0 || !BEFORE_DIFF.includes(place)
    const how = isCopied ? 'in copies' : 'in place'
    const result = refused === undefined ? 'is what comes back' : 'is refused before anything is stored'
    test(`changed ${place}, ${how}: ${name} ${result}`, async t => {
      const base = temporaryDirectory(t)
      const source = join(base, 'source')
      makeTree(source)
      const stages = (d: IncrementalStages) => PLACES[place](d, stage(isCopied))
      const store = memoryStore()
      const options = { key: 'key', store, cache: false } as const
      const names = async () => (await collect(store.list(''))).map(({ name }) => name)

      if (refused !== undefined) {
        await assert.rejects(fullBackup(source, { ...options, stages }), code(refused(place)))
        assert.deepEqual(await names(), [])
        await fullBackup(source, options)
        const stored = await names()
        editTree(source)
        await assert.rejects(incrementalBackup(source, { ...options, stages }), code(refused(place)))
        assert.deepEqual(await names(), stored)
        return
      }
      await fullBackup(source, { ...options, stages })
      await assertRestored('full')
      await fullBackup(source, options)
      editTree(source)
      await incrementalBackup(source, { ...options, stages })
      await assertRestored('incremental')

      async function assertRestored(when: string): Promise<void> {
        const wanted = new Map(takeSnapshot(source, { xattrs: false })) as Restoring
        expected!(wanted)
        const { problems } = await verifyBackup('key', { ...options, readData: true })
        assert.deepEqual(problems, [], when)
        const destination = join(base, when)
        await restoreBackup('key', destination, options)
        const found = new Map(takeSnapshot(destination, { xattrs: false })) as Restoring
        assert.deepEqual(compared(found), compared(wanted), when)
      }
    })
  }
}

test('a change in place is not lost if the entry is frozen then, and one of a frozen item stores nothing', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  makeTree(source)
  const store = memoryStore()
  const options = { key: 'key', store, cache: false } as const
  const freeze = each(entry => [Object.freeze(Object.assign(entry, entry.type === 'file' && { mode: 0o640 }))])
  await fullBackup(source, { ...options, stages: d => PLACES['behind filter'](d, freeze) })
  const entries = await collect(listEntries('key', options))
  assert.ok(entries.every(({ type, mode }) => type !== 'file' || mode === 0o640))
  const stored = (await collect(store.list(''))).length
  const inPlace = setting(FILES, () => ({ mode: 0o600 }), false)
  await assert.rejects(fullBackup(source, { ...options, stages: d => PLACES['behind sign'](d, inPlace) }), TypeError)
  assert.equal((await collect(store.list(''))).length, stored)
})

test('a field that a stage adds in place to what walk lists is there for the stages behind', async t => {
  const source = temporaryDirectory(t)
  for (const name of ['a', 'b', 'c']) writeFileSync(join(source, name), name)
  const noted: string[] = []
  const note = each(entry => [Object.assign(entry, { note: `of ${entry.path}` })])
  const look = each(entry => {
    noted.push((entry as Entry & { note?: string }).note ?? `none of ${entry.path}`)
    return [entry]
  })
  await fullBackup(source, {
    store: memoryStore(),
    key: 'k',
    cache: false,
    stages: d => ({ ...d, filter: compose(note, d.filter, look) as never })
  })
  assert.deepEqual(noted, ['of .', 'of a', 'of b', 'of c'])
})
