import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { appendFileSync, linkSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pack } from 'tar-stream'
import { type BackupReport, fullBackup, incrementalBackup, restoreBackup } from '../../../src/index.js'
import { fromTar } from '../../../src/interop/index.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from '../../native/tree.js'

/** Backups whose source is the output of GNU tar; names sorted, as path order takes it. */
class TarChain {
  readonly base: string
  readonly tree: string

  constructor(t: TestContext) {
    this.base = temporaryDirectory(t)
    this.tree = join(this.base, 'tree')
    mkdirSync(join(this.tree, 'd'), { recursive: true })
  }

  async backup(kind: 'full' | 'incremental'): Promise<BackupReport> {
    const options = ['--sort=name', '--format=pax', '-C', this.tree, '-cf', '-', '.']
    // Started at the first pull: of a process that ends before somebody reads, Node throws the output away.
    async function* tar() {
      yield* spawn('tar', options, { stdio: ['ignore', 'pipe', 'inherit'] }).stdout
    }
    const make = kind === 'full' ? fullBackup : incrementalBackup
    return make(this.tree, { ...this.places, key: 'k', stages: { walk: fromTar(tar()) } })
  }

  async assertRestores(): Promise<void> {
    const out = join(this.base, 'out')
    await restoreBackup('k', out, this.places)
    assertSameTree(out, this.tree)
    rmSync(out, { recursive: true })
  }

  get places() {
    return { store: join(this.base, 'store'), cache: join(this.base, 'cache') }
  }
}

test(
  'a tar from elsewhere is the source of a full and of increments, hard links and all',
  oracle('tar', 'rsync'),
  async t => {
    const chain = new TarChain(t)
    const at = (name: string) => join(chain.tree, name)
    writeFileSync(at('large'), randomBytes(20_000_000, 1))
    writeFileSync(at('d/small'), 'small')
    linkSync(at('d/small'), at('d/small too'))
    linkSync(at('large'), at('z'))
    linkSync(at('z'), at('zz'))
    symlinkSync('nowhere', at('l'))
    const full = await chain.backup('full')
    assert.deepEqual([full.totals.created, full.skippedEntries], [8, 0])
    await chain.assertRestores()

    const same = await chain.backup('incremental')
    assert.deepEqual([same.totals.unchanged, same.skippedEntries], [8, 0])

    appendFileSync(at('large'), 'more')
    rmSync(at('d/small'))
    linkSync(at('d/small too'), at('d/third'))
    const third = await chain.backup('incremental')
    assert.equal(third.skippedEntries, 0)
    assert.ok(third.storedBytes < 100_000, 'the large file is stored as a delta, once')
    await chain.assertRestores()
  }
)

test('a link whose file is not in the tar is reported, the rest is backed up', async t => {
  const chain = new TarChain(t)
  const tar = pack()
  tar.entry({ name: './', type: 'directory' })
  tar.entry({ name: 'a' }, 'a')
  tar.entry({ name: 'b', type: 'link', linkname: 'gone' })
  tar.finalize()
  const report = await fullBackup(chain.tree, {
    ...chain.places,
    key: 'k',
    stages: { walk: fromTar(tar as AsyncIterable<Uint8Array>) }
  })
  assert.deepEqual([report.totals.unreadable, report.totals.created], [1, 2])
})
