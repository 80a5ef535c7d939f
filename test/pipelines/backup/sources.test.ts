import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { type BackupError, fullBackup, incrementalBackup, restoreBackup, verifyBackup } from '../../../src/index.js'
import { runWithFaults } from '../../helpers/faults.js'
import { oracle } from '../../helpers/oracle.js'
import { temporaryDirectory } from '../../native/tree.js'

test('a source that is one file is a directory with that file', async t => {
  const base = temporaryDirectory(t)
  const [store, cache] = [join(base, 'store'), join(base, 'cache')]
  mkdirSync(join(base, 'disks'))
  const path = join(base, 'disks/file.img')
  writeFileSync(path, 'first')
  writeFileSync(join(base, 'disks/other'), 'not asked for')
  writeFileSync(join(base, 'disks/.exclude'), '*.img')
  const full = await fullBackup(path, { store, cache })
  assert.deepEqual([full.key, full.totals.files, full.totals.entries, full.skippedEntries], ['file.img', 1, 2, 0])
  const unchanged = await incrementalBackup(path, { store, cache })
  assert.deepEqual([unchanged.totals.unchanged, unchanged.totals.touched], [2, 0])
  writeFileSync(path, 'and second')
  const { totals } = await incrementalBackup(path, { store, cache })
  assert.deepEqual([totals.updated, totals.deleted], [1, 0])
  const out = join(base, 'out')
  await restoreBackup('file.img', out, { store, cache })
  assert.deepEqual(readdirSync(out), ['file.img'])
  assert.equal(readFileSync(join(out, 'file.img'), 'utf8'), 'and second')
  assert.equal(statSync(out).mode & 0o7777, 0o700)
  assert.deepEqual((await verifyBackup('file.img', { store, cache, readData: true })).problems, [])
})

test('a link to a file is followed, and rules hold for the file', async t => {
  const base = temporaryDirectory(t)
  const options = { store: join(base, 'store'), cache: false as const }
  writeFileSync(join(base, 'file'), 'content')
  symlinkSync('file', join(base, 'link'))
  const followed = await fullBackup(join(base, 'link'), options)
  assert.deepEqual([followed.key, followed.totals.files], ['link', 1])
  await restoreBackup('link', join(base, 'out'), options)
  assert.equal(readFileSync(join(base, 'out/file'), 'utf8'), 'content')
  const { totals } = await fullBackup(join(base, 'file'), { ...options, rules: { exclude: ['file'] } })
  assert.deepEqual([totals.files, totals.entries], [0, 1])
})

test('a source of any bytes is backed up, and its key is escaped', async t => {
  const base = temporaryDirectory(t)
  const options = { store: join(base, 'store'), cache: join(base, 'cache') }
  const source = Buffer.concat([Buffer.from(`${base}/caf`), Buffer.from([0xe9])])
  mkdirSync(source)
  const file = Buffer.concat([source, Buffer.from('/file')])
  writeFileSync(file, 'one')
  const { key } = await fullBackup(source, options)
  assert.equal(key, 'caf%E9')
  writeFileSync(file, 'other')
  const { totals } = await incrementalBackup(source, options)
  assert.deepEqual([totals.updated, totals.deleted], [1, 0])
  await restoreBackup(key, join(base, 'out'), options)
  assert.equal(readFileSync(join(base, 'out/file'), 'utf8'), 'other')
})

test('a socket is recorded, and no failure', async t => {
  const base = temporaryDirectory(t)
  const options = { store: join(base, 'store'), cache: false as const }
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'content')
  const server = createServer().listen(join(source, 'socket'))
  await new Promise(resolve => server.once('listening', resolve))
  const errors: BackupError[] = []
  const report = await fullBackup(source, { ...options, onError: error => errors.push(error) })
  const again = await incrementalBackup(source, options)
  await new Promise(resolve => server.close(resolve))
  assert.deepEqual([report.skippedEntries, report.totals.entries, errors], [0, 3, []])
  assert.deepEqual([again.skippedEntries, again.totals.unchanged], [0, 3])
})

const BACKUP = `
  import { fullBackup } from ${JSON.stringify(import.meta.resolve('../../../src/index.js'))}
  const [source, store] = process.argv.slice(1)
  const errors = []
  const onError = ({ code, path, cause }) => errors.push([code, path, cause?.code])
  const { totals, skippedEntries } = await fullBackup(source, { store, cache: false, onError })
  console.log(JSON.stringify({ errors, files: totals.files, entries: totals.entries, skippedEntries }))
`

test('an ignore file that is a link is read, or reported by its name', oracle('cc'), t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(join(source, 'dangling'), { recursive: true })
  mkdirSync(join(source, 'directory'))
  writeFileSync(join(base, 'common'), '*.o\n')
  symlinkSync('../common', join(source, '.exclude'))
  symlinkSync('../none', join(source, 'dangling/.exclude'))
  symlinkSync('.', join(source, 'directory/.exclude'))
  for (const name of ['a.o', 'b', 'dangling/c.o', 'dangling/d', 'directory/e']) writeFileSync(join(source, name), name)
  const found = runWithFaults(base, BACKUP, source, join(base, 'store'))
  assert.deepEqual(found, {
    errors: [
      ['IBT_READ_FAILED', 'dangling/.exclude', 'ENOENT'],
      ['IBT_READ_FAILED', 'directory/.exclude', 'EISDIR']
    ],
    files: 3,
    entries: 9,
    skippedEntries: 2
  })
})
