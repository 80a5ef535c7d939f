import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { listEntries } from '../../../src/index.js'
import { ROOT_PATH } from '../../../src/path.js'
import { NaiveChain } from '../../helpers/chain.js'
import { BIN, Desk } from '../../helpers/desk.js'
import { collect } from '../../helpers/entries.js'
import { makeFaultLibrary } from '../../helpers/faults.js'
import { run } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { temporaryDirectory } from '../../native/tree.js'

const NEEDS_FAULTS = process.platform === 'linux' ? oracle('cc') : { skip: 'tests what only Linux has' }

test(
  'of another file system the mount point is kept, and nothing in it',
  oracle('mount', 'umount', 'find'),
  async t => {
    const chain = new NaiveChain(temporaryDirectory(t))
    const mounted = join(chain.source, 'd/mounted')
    mkdirSync(mounted, { recursive: true })
    writeFileSync(join(chain.source, 'd/file'), 'file')
    if (spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', mounted]).status !== 0)
      return t.skip('this user may not mount a file system here')
    try {
      mkdirSync(join(mounted, 'below'))
      writeFileSync(join(mounted, 'below/file'), 'file')
      for (const oneFileSystem of [true, false]) {
        await chain.full({ rules: { oneFileSystem } })
        const paths = (await collect(listEntries('key', { store: chain.storePath, cache: false }))).map(
          ({ path }) => path
        )
        const found = run('find', [
          chain.source,
          ...(oneFileSystem ? ['-xdev'] : []),
          '-mindepth',
          '1',
          '-printf',
          '%P\n'
        ])
        assert.deepEqual(paths.filter(path => path !== ROOT_PATH).sort(), found.toString().trim().split('\n').sort())
      }
    } finally {
      spawnSync('umount', [mounted])
    }
  }
)

/** Ways to leave the directory `closed#open` out. */
const WAYS: Readonly<Record<string, { readonly args: readonly string[]; readonly ignoreFile?: string }>> = {
  'a pattern': { args: ['--exclude', 'closed*'] },
  'a pattern for directories': { args: ['--exclude', '/d/closed#open/'] },
  'a directory above it': { args: ['--exclude', 'd'] },
  'an ignore file': { args: [], ignoreFile: 'closed*' },
  'an ignore file of another name': { args: ['--ignore-file', '.exclude'], ignoreFile: '*\n!file' },
  'a mark beside it': { args: ['--exclude-if-present', 'file'] },
  'names of others': { args: ['--files-from', 'names'] }
}

test('a directory that nobody can read is no error where it is left out', NEEDS_FAULTS, t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/d/closed#open'), { recursive: true })
  writeFileSync(desk.at('src/d/file'), 'file')
  writeFileSync(desk.at('src/left'), 'left')
  writeFileSync(desk.at('names'), 'd/file\n')
  const env = { ...desk.env, LD_PRELOAD: makeFaultLibrary(temporaryDirectory(t)) }
  const full = (...args: readonly string[]) =>
    spawnSync(process.execPath, [BIN, 'full', 'src', ...args], { cwd: desk.path, env, encoding: 'utf8' })
  assert.equal(full().status, 3)
  for (const [way, { args, ignoreFile = '' }] of Object.entries(WAYS)) {
    writeFileSync(desk.at('src/d/.exclude'), ignoreFile)
    const { status, stderr } = full(...args)
    assert.deepEqual([status, stderr], [0, ''], way)
  }
})
