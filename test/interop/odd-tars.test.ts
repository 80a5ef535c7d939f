import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type BackupError, fullBackup, restoreBackup, verifyBackup } from '../../src/index.js'
import { fromTar } from '../../src/interop/index.js'
import { code, collect } from '../helpers/entries.js'
import { run } from '../helpers/judges.js'
import { base256, ODD_TARS, oddFile, pax } from '../helpers/odd-tars.js'
import { oracle } from '../helpers/oracle.js'
import { subset, takeSnapshot } from '../helpers/snapshot.js'
import { temporaryDirectory } from '../native/tree.js'

for (const [name, { tar, like, refused, losses = 0, madeDirectories }] of Object.entries(ODD_TARS)) {
  for (const sort of [undefined, 'spool'] as const) {
    const how = refused === undefined ? `is what ${like} makes of it` : `is refused with ${refused}`
    test(`a tar with ${name} ${how}${sort === undefined ? '' : ', sorted'}`, oracle('tar', 'bsdtar'), async t => {
      const base = temporaryDirectory(t)
      const options = { key: 'k', store: join(base, 'store'), cache: false } as const
      const leftOut: BackupError[] = []
      const walk = fromTar(cut(tar), { sort, onError: error => leftOut.push(error), spoolDirectory: base })
      const backup = fullBackup(base, { ...options, stages: { walk } })
      if (refused !== undefined) {
        await assert.rejects(backup, code(refused))
        assert.deepEqual(existsSync(options.store) ? readdirSync(options.store) : [], [])
        return
      }
      const { skippedEntries } = await backup
      assert.equal(skippedEntries + leftOut.length, losses)
      assert.deepEqual((await verifyBackup('k', { ...options, readData: true })).problems, [])
      await restoreBackup('k', join(base, 'ours'), {
        ...options,
        owners: process.geteuid?.() === 0 ? 'number' : 'none'
      })
      const theirs = join(base, 'theirs')
      mkdirSync(theirs)
      spawnSync(like!, ['-x', '-p', '-f', '-', '-C', theirs], { input: tar })
      const isCompared = (path: string) => path !== '.' && !(madeDirectories && !path.includes('.js'))
      const read = (root: string) => subset(takeSnapshot(root, { xattrs: false }), isCompared)
      assert.deepEqual(read(join(base, 'ours')), read(theirs))
    })
  }
}

function* cut(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700)
}

const ORDERED = oddFile('a', 'A')

test('names with .. and empty ones end the run unless somebody is told of them', async () => {
  for (const name of ['', '../up', 'd/..', 'd/../e']) {
    const tar = Buffer.concat([oddFile(name, 'x'), ORDERED, Buffer.alloc(1024)])
    await assert.rejects(collect(fromTar([tar])), code('IBT_UNSAFE_PATH'), name)
    const told: BackupError[] = []
    const found = await collect(fromTar([tar], { onError: error => told.push(error) }))
    assert.deepEqual([found.map(({ path }) => path), told.map(error => error.code)], [['a'], ['IBT_UNSAFE_PATH']])
  }
})

test('absolute names lose their slash, or are refused', async () => {
  const tar = Buffer.concat([oddFile('/etc/passwd'), Buffer.alloc(1024)])
  assert.equal((await collect(fromTar([tar])))[0]!.path, 'etc/passwd')
  await assert.rejects(collect(fromTar([tar], { absolute: 'refuse' })), code('IBT_UNSAFE_PATH'))
})

for (const prefix of ['', './']) {
  test(
    `strip leaves out the parts that tar leaves out of names with ${prefix || 'no prefix'}`,
    oracle('tar'),
    async t => {
      const base = temporaryDirectory(t)
      mkdirSync(join(base, 'pkg/lib'), { recursive: true })
      writeFileSync(join(base, 'pkg/lib/a'), 'a')
      writeFileSync(join(base, 'pkg/b'), 'b')
      linkSync(join(base, 'pkg/b'), join(base, 'pkg/c'))
      const tar = run('tar', ['--sort=name', '-C', base, '-cf', '-', `${prefix}pkg`])
      for (const strip of [0, 1, 2, 3]) {
        const out = join(base, `out-${strip}`)
        mkdirSync(out)
        spawnSync('tar', ['-x', `--strip-components=${strip}`, '-C', out], { input: tar })
        const theirs = readdirSync(out, { recursive: true }).map(String).sort()
        const ours = (await collect(fromTar([tar], { strip }))).map(({ path }) => path).filter(path => path !== '.')
        assert.deepEqual(ours.sort(), theirs, `strip ${strip}`)
      }
    }
  )
}

test('options that make no sense are refused at the call', () => {
  assert.throws(() => fromTar([], { strip: -1 }), RangeError)
  assert.throws(() => fromTar([], { strip: 1.5 }), RangeError)
  assert.throws(() => fromTar([], { sort: 'name' as never }), TypeError)
  assert.throws(() => fromTar([], { absolute: 'keep' as never }), TypeError)
})

test('a time beyond 64 bits of nanoseconds is the nearest within', async () => {
  const times = { '-62135596800': -(2n ** 63n), '99999999999.5': 2n ** 63n - 1n, ['9'.repeat(5000)]: 2n ** 63n - 1n }
  for (const [mtime, expected] of Object.entries(times)) {
    const tar = Buffer.concat([pax({ mtime }), oddFile('a'), Buffer.alloc(1024)])
    assert.equal((await collect(fromTar([tar])))[0]!.mtimeNs, expected)
  }
  const field = oddFile('a', 'A', { mtime: base256(2n ** 70n, 12) })
  assert.equal((await collect(fromTar([Buffer.concat([field, Buffer.alloc(1024)])])))[0]!.mtimeNs, 2n ** 63n - 1n)
})
