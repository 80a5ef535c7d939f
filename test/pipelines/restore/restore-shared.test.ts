import assert from 'node:assert/strict'
import {
  closeSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  fullBackup,
  incrementalBackup,
  type RestoreOptions,
  receiveTree,
  restoreBackup,
  sendTree
} from '../../../src/index.js'
import { memoryStore, wrapStore } from '../../../src/stores/index.js'
import { farLine } from '../../helpers/far-line.js'
import { run } from '../../helpers/judges.js'
import { type LoopKind, loopMount } from '../../helpers/loop-mount.js'
import { oracle } from '../../helpers/oracle.js'
import { runIbt } from '../../helpers/warm-ibt.js'
import { randomBytes, temporaryDirectory } from '../../native/tree.js'

const MIB = 1024 * 1024
/** Twice what is large. */
const SIZE = 16 * MIB
const FIRST = randomBytes(SIZE, 1)
/** Where the second date differs from the first. */
const EDITED = 8 * MIB

/** Two dates of a large file, and a destination on a file system of a kind. */
class Shared {
  readonly source: string
  readonly target: string
  readonly large: string
  readonly dates: string[] = []
  /** Is called when an archive is read. */
  onRead = () => {}
  readonly store = (() => {
    const memory = memoryStore()
    const { get } = memory
    return wrapStore(memory, {
      get: (name, ...rest) => {
        if (/\.(full|updated)\./.test(name)) this.onRead()
        return get.call(memory, name, ...rest)
      }
    })
  })()

  constructor(
    readonly t: TestContext,
    readonly kind: LoopKind,
    readonly mounted: string
  ) {
    this.source = temporaryDirectory(t)
    this.target = join(mounted, 'target')
    this.large = join(this.target, 'large')
  }

  async backup(content: Uint8Array): Promise<void> {
    writeFileSync(join(this.source, 'large'), content)
    await this.backupSource()
  }

  async backupSource(): Promise<void> {
    const backup = this.dates.length === 0 ? fullBackup : incrementalBackup
    this.dates.push((await backup(this.source, { store: this.store, cache: false, key: 'key' })).date)
  }

  restore(options: RestoreOptions = {}) {
    return restoreBackup('key', this.target, { store: this.store, cache: false, overwrite: 'if-changed', ...options })
  }

  /** Puts an old version into the destination: in the same moment, its time would be that of the new one. */
  put(bytes: Uint8Array): void {
    rmSync(this.target, { recursive: true, force: true })
    mkdirSync(this.target)
    writeFileSync(this.large, bytes)
    utimesSync(this.large, 1, 1)
    this.onRead = () => {}
  }

  free(): number {
    run('sync', ['-f', this.mounted])
    const { bavail, bsize } = statfsSync(this.mounted)
    return bavail * bsize
  }

  assertHolds(content: Uint8Array): void {
    const found = readFileSync(this.large)
    if (!found.equals(content)) {
      const at = found.findIndex((byte, i) => byte !== content[i])
      assert.fail(`${found.length} bytes, another one at ${at}`)
    }
    assert.deepEqual(readdirSync(this.target), ['large'])
  }
}

function edited(bytes: Uint8Array, at: number, seed: number, sizeBytes = 100_000): Buffer {
  const content = Buffer.from(bytes)
  content.set(randomBytes(sizeBytes, seed), at)
  return content
}

const SECOND = edited(FIRST, EDITED, 2)

type Case = readonly [title: string, use: (shared: Shared) => Promise<void>]

/** One file system for all cases of a kind. */
function onLoop(kind: LoopKind, cases: readonly Case[]): void {
  test(`a restore over an old version on ${kind}`, oracle('mount', 'umount', `mkfs.${kind}`), async t => {
    const mounted = loopMount(t, kind)
    if (mounted === undefined) return
    const shared = new Shared(t, kind, mounted)
    await shared.backup(FIRST)
    await shared.backup(SECOND)
    for (const [title, use] of cases) await t.test(title, () => use(shared))
  })
}

function overwrite(path: string, bytes: Uint8Array, at: number): void {
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, at)
  closeSync(fd)
}

const SHARING: readonly Case[] = [
  [
    'shares its unchanged blocks, and other links keep it',
    async shared => {
      shared.put(FIRST)
      const other = join(shared.mounted, 'other')
      linkSync(shared.large, other)
      const free = shared.free()
      const { sharedBytes, sizeBytes } = await shared.restore()
      shared.assertHolds(SECOND)
      assert.ok(readFileSync(other).equals(FIRST))
      assert.equal(sizeBytes, SIZE)
      assert.ok(sharedBytes > SIZE - MIB && sharedBytes < SIZE, `${sharedBytes} bytes`)
      assert.ok(free - shared.free() < 2 * MIB, `${free - shared.free()} bytes`)
      rmSync(other)
    }
  ],
  [
    'needs no room for a copy',
    async shared => {
      shared.put(FIRST)
      const full = join(shared.mounted, 'full')
      run('fallocate', ['-l', String(shared.free() - SIZE / 2), full])
      await shared.restore()
      shared.assertHolds(SECOND)
      rmSync(full)
    }
  ],
  [
    'shares blocks that have moved as a whole, and writes others',
    async shared => {
      for (const [moved, isShared] of [
        [64 * 1024, true],
        [1000, false]
      ] as const) {
        const content = Buffer.concat([randomBytes(moved, 3), SECOND])
        await shared.backup(content)
        shared.put(SECOND)
        const { sharedBytes } = await shared.restore()
        shared.assertHolds(content)
        if (isShared) assert.ok(sharedBytes > SIZE - MIB, `${sharedBytes} bytes`)
        else assert.equal(sharedBytes, 0)
      }
    }
  ],
  [
    'restores the same where the old version changes meanwhile',
    async shared => {
      const damage = randomBytes(MIB, 4)
      // What is shared before the archives are read is no part of the old version any more; what comes behind it is.
      const changes: readonly (readonly [() => void, isShared: boolean])[] = [
        [() => overwrite(shared.large, damage, EDITED - 4 * MIB), true],
        [() => overwrite(shared.large, damage, EDITED + 4 * MIB), false],
        [() => truncateSync(shared.large, EDITED + 4 * MIB), false]
      ]
      for (const [change, isShared] of changes) {
        shared.put(FIRST)
        let reads = 0
        shared.onRead = () => {
          if (reads++ === 0) change()
        }
        const { sharedBytes } = await shared.restore({ at: shared.dates[1] })
        shared.assertHolds(SECOND)
        assert.equal(sharedBytes > 0, isShared)
      }
    }
  ],
  [
    'makes the holes of a sparse file, also where the old version has zeros',
    async shared => {
      const sparse = edited(FIRST, 0, 5)
      sparse.set(new Uint8Array(4 * MIB), 3 * MIB + 100)
      const path = join(shared.source, 'large')
      writeFileSync(path, sparse)
      run('fallocate', ['--dig-holes', path])
      await shared.backupSource()
      shared.put(edited(sparse, EDITED, 6))
      const { sharedBytes } = await shared.restore()
      shared.assertHolds(sparse)
      assert.ok(sharedBytes > SIZE - 2 * MIB, `${sharedBytes} bytes`)
      assert.ok(statSync(shared.large).blocks * 512 <= SIZE - 4 * MIB + 16384)
    }
  ],
  [
    'shares as much when a tree is received',
    async shared => {
      shared.put(FIRST)
      const source = temporaryDirectory(shared.t)
      writeFileSync(join(source, 'large'), SECOND)
      const free = shared.free()
      const { near, far } = farLine()
      const [sent, { sharedBytes }] = await Promise.all([sendTree(near, source), receiveTree(far, shared.target)])
      shared.assertHolds(SECOND)
      assert.ok(sent.sentBytes < MIB, `${sent.sentBytes} bytes`)
      assert.ok(sharedBytes > SIZE - MIB && sharedBytes < SIZE, `${sharedBytes} bytes`)
      assert.ok(free - shared.free() < 2 * MIB, `${free - shared.free()} bytes`)
    }
  ],
  [
    'leaves it after an abort',
    async shared => {
      shared.put(FIRST)
      const controller = new AbortController()
      const reason = new Error('enough')
      shared.onRead = () => controller.abort(reason)
      const { signal } = controller
      await assert.rejects(shared.restore({ at: shared.dates[1], signal }), error => error === reason)
      shared.assertHolds(FIRST)
    }
  ]
]

const TELLING: Case = [
  'says in ibt how much was shared',
  async shared => {
    const store = temporaryDirectory(shared.t)
    await fullBackup(shared.source, { store, cache: false, key: 'key' })
    shared.put(FIRST)
    const { status, stdout } = runIbt([
      'restore',
      'key',
      shared.target,
      '--store',
      store,
      '--cache',
      join(store, 'cache'),
      '--overwrite',
      'if-changed'
    ])
    assert.equal(status, 0)
    assert.match(String(stdout), /0 deleted, 1\d\.\d MiB shared with what was there\n/)
  }
]

const WRITING: Case = [
  'writes what cannot be shared',
  async shared => {
    shared.put(new Uint8Array(0))
    // On btrfs, files with and without sums of their blocks.
    if (shared.kind === 'btrfs') run('chattr', ['+C', shared.large])
    writeFileSync(shared.large, FIRST, { flag: 'r+' })
    const { sharedBytes } = await shared.restore({ at: shared.dates[1] })
    assert.equal(sharedBytes, 0)
    shared.assertHolds(SECOND)
  }
]

onLoop('btrfs', [...SHARING, TELLING, WRITING])
onLoop('xfs', SHARING)
onLoop('ext4', [WRITING])
