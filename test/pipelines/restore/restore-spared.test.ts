import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type BackupError, fullBackup, restoreBackup } from '../../../src/index.js'
import type { RestoreOptions } from '../../../src/pipelines/restore/restore.js'
import { directoryStore, wrapStore } from '../../../src/stores/index.js'
import { oracle } from '../../helpers/oracle.js'
import { temporaryDirectory } from '../../native/tree.js'

const OVER = { overwrite: 'if-changed', delete: true } as const

/** A backup of a directory `home`, whose store is moved into it afterwards. */
async function movedStore(t: TestContext, prepare: (home: string) => void, to: string) {
  const base = temporaryDirectory(t)
  const home = join(base, 'home')
  mkdirSync(home)
  writeFileSync(join(home, 'file'), 'content')
  prepare(home)
  const first = join(base, 'store')
  await fullBackup(home, { store: first, cache: false, key: 'key' })
  const store = join(home, to)
  rmSync(store, { recursive: true, force: true })
  mkdirSync(join(store, '..'), { recursive: true })
  spawnSync('cp', ['-a', first, store])
  const artifacts = readdirSync(store).sort()
  const restore = async (options: RestoreOptions, added: readonly string[] = []) => {
    const errors: BackupError[] = []
    const onError = (error: BackupError) => errors.push(error)
    const report = await restoreBackup('key', home, { store, cache: false, ...options, onError })
    assert.deepEqual(
      readdirSync(typeof options.store === 'string' ? options.store : store).sort(),
      [...artifacts, ...added].sort()
    )
    return { ...report, errors: errors.map(({ code, path }) => [code, path]) }
  }
  return { base, home, store, artifacts, restore }
}

const IN_THE_WAY: Record<string, (path: string) => void> = {
  symlink: path => symlinkSync('/nowhere', path),
  file: path => writeFileSync(path, 'a file'),
  fifo: path => void spawnSync('mkfifo', [path])
}

for (const [type, make] of Object.entries(IN_THE_WAY)) {
  test(`a store in the place of a ${type} of the backup is spared`, async t => {
    const { store, restore } = await movedStore(t, home => make(join(home, 'backups')), 'backups')
    const wrapped = wrapStore(directoryStore(store), { id: 'wrapped' })
    for (const options of [OVER, { overwrite: 'always' } as const, { ...OVER, store: wrapped }]) {
      const { spared, errors, skippedEntries, entries } = await restore(options)
      assert.deepEqual([spared, errors], [['backups'], [['IBT_WRITE_FAILED', 'backups']]])
      assert.deepEqual([skippedEntries, entries], [1, 2])
    }
  })
}

test('a store in a directory of the backup, and in one that the backup does not have, is spared', async t => {
  const prepare = (home: string) => {
    mkdirSync(join(home, 'backups'), { mode: 0o700 })
    writeFileSync(join(home, 'backups/old'), 'x')
  }
  const { home, artifacts, restore } = await movedStore(t, prepare, 'backups')
  const { mode } = lstatSync(join(home, 'backups'))
  const { spared, errors, entries } = await restore(OVER, ['old'])
  assert.deepEqual([spared, errors, entries], [artifacts.map(name => `backups/${name}`), [], 4])
  assert.equal(readFileSync(join(home, 'backups/old'), 'utf8'), 'x')
  assert.equal(lstatSync(join(home, 'backups')).mode, mode)
  const other = await movedStore(t, () => {}, 'data/deep/backups')
  writeFileSync(join(other.home, 'data/beside'), 'x')
  const { deletedEntries, ...rest } = await other.restore(OVER)
  assert.deepEqual([rest.spared, deletedEntries, rest.errors], [['data'], 0, []])
})

test('what leads to a store is spared: symlinks, also in the place of an entry', async t => {
  const { base, home, restore } = await movedStore(
    t,
    home => mkdirSync(join(home, 'link/sub'), { recursive: true }),
    'x'
  )
  spawnSync('mv', [join(home, 'x'), join(base, 'elsewhere')])
  rmSync(join(home, 'link'), { recursive: true })
  symlinkSync(base, join(home, 'link'))
  symlinkSync('link/elsewhere', join(home, 'x'))
  for (const store of [join(home, 'x'), join(home, 'link/elsewhere')]) {
    const { spared, errors } = await restore({ ...OVER, store })
    assert.ok(lstatSync(join(home, 'link')).isSymbolicLink())
    assert.deepEqual(errors.map(([, path]) => path).sort(), ['link', 'link/sub'])
    assert.deepEqual(spared.toSorted(), ['link', 'x'].slice(0, store.endsWith('x') ? 2 : 1))
    if (!store.endsWith('x')) assert.ok(!existsSync(join(home, 'x')))
  }
})

test('a directory that is not empty gives way to another type only with delete', async t => {
  const base = temporaryDirectory(t)
  const home = join(base, 'home')
  const options = { store: join(base, 'store'), cache: false, key: 'key' } as const
  mkdirSync(home)
  for (const name of ['a', 'b']) writeFileSync(join(home, name), name)
  symlinkSync('a', join(home, 'c'))
  symlinkSync('a', join(home, 'd'))
  await fullBackup(home, options)
  for (const name of ['a', 'b', 'c', 'd']) rmSync(join(home, name))
  for (const name of ['a/full', 'b', 'c/full', 'd']) mkdirSync(join(home, name), { recursive: true })
  writeFileSync(join(home, 'a/full/file'), 'precious')
  const first = await restoreBackup('key', home, { ...options, overwrite: 'always' })
  assert.equal(readFileSync(join(home, 'a/full/file'), 'utf8'), 'precious')
  assert.equal(readFileSync(join(home, 'b'), 'utf8'), 'b')
  assert.ok(lstatSync(join(home, 'd')).isSymbolicLink())
  assert.deepEqual([first.spared, first.skippedEntries, first.entries], [['a', 'c'], 2, 3])
  const second = await restoreBackup('key', home, { ...options, ...OVER })
  assert.deepEqual([second.spared, second.skippedEntries, second.entries], [[], 0, 5])
  assert.equal(readFileSync(join(home, 'a'), 'utf8'), 'a')
})

/** Mounts something for the time of `use`. Skips the test if that is not allowed. */
async function withMounts(t: TestContext, mounts: readonly string[][], use: () => Promise<void>): Promise<void> {
  const mounted: string[] = []
  try {
    for (const args of mounts) {
      if (spawnSync('mount', args).status !== 0) return t.skip('this user may not mount a file system here')
      mounted.push(args.at(-1)!)
    }
    await use()
  } finally {
    for (const at of mounted) spawnSync('umount', [at])
  }
}

for (const [name, args] of Object.entries({
  'another file system': () => ['-t', 'tmpfs', 'tmpfs'],
  'another directory of the same one': (base: string) => ['--bind', join(base, 'other')]
})) {
  test(`nothing is deleted or replaced at or behind a mount of ${name}`, oracle('mount', 'umount'), async t => {
    const base = temporaryDirectory(t)
    const home = join(base, 'home')
    const options = { store: join(base, 'store'), cache: false, key: 'key' } as const
    for (const path of ['home/mnt', 'other', 'home/d']) mkdirSync(join(base, path), { recursive: true })
    for (const path of ['mnt/changed', 'mnt/added', 'mnt/equal', 'link']) writeFileSync(join(home, path), path)
    await fullBackup(home, options)
    rmSync(join(home, 'link'))
    for (const path of ['link', 'new/deep']) mkdirSync(join(home, path), { recursive: true })
    const mounts = ['mnt', 'link', 'new/deep'].map(path => [...args(base), join(home, path)])
    await withMounts(t, mounts, async () => {
      for (const path of ['mnt', 'link', 'new/deep']) writeFileSync(join(home, path, 'precious'), 'precious')
      for (const path of ['changed', 'equal'])
        writeFileSync(join(home, 'mnt', path), path === 'equal' ? 'mnt/equal' : 'x')
      writeFileSync(join(home, 'new/beside'), '')
      const errors: BackupError[] = []
      const report = await restoreBackup('key', home, { ...options, ...OVER, onError: error => errors.push(error) })
      for (const path of ['mnt', 'link', 'new/deep']) {
        assert.equal(readFileSync(join(home, path, 'precious'), 'utf8'), 'precious')
      }
      assert.equal(readFileSync(join(home, 'mnt/changed'), 'utf8'), 'x')
      assert.equal(readFileSync(join(home, 'mnt/added'), 'utf8'), 'mnt/added')
      assert.deepEqual(readdirSync(join(home, 'new')), ['deep'])
      assert.deepEqual(report.spared.toSorted(), ['link', 'mnt/changed', 'mnt/precious', 'new'])
      assert.deepEqual(errors.map(({ path }) => path).sort(), ['link', 'mnt/changed'])
      assert.equal(report.skippedEntries, 2)
    })
  })
}

test('a file that is mounted on is spared', oracle('mount', 'umount'), async t => {
  const base = temporaryDirectory(t)
  const home = join(base, 'home')
  const options = { store: join(base, 'store'), cache: false, key: 'key' } as const
  mkdirSync(home)
  writeFileSync(join(home, 'file'), 'file')
  await fullBackup(home, options)
  writeFileSync(join(home, 'other'), 'other')
  writeFileSync(join(base, 'below'), 'below')
  const mounts = ['file', 'other'].map(name => ['--bind', join(base, 'below'), join(home, name)])
  await withMounts(t, mounts, async () => {
    const { spared, skippedEntries } = await restoreBackup('key', home, { ...options, ...OVER })
    assert.deepEqual([spared.toSorted(), skippedEntries], [['file', 'other'], 1])
    assert.equal(readFileSync(join(base, 'below'), 'utf8'), 'below')
  })
})
