import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { XATTRS_BYTES } from '../../src/constants.js'
import type { BackupError } from '../../src/errors.js'
import { boundXattrs } from '../../src/format/xattr-bound.js'
import { fullBackup, restoreBackup, verifyBackup } from '../../src/index.js'
import { fromTar } from '../../src/interop/index.js'
import { entry } from '../helpers/entries.js'
import { oddDirectory, oddFile, pax } from '../helpers/odd-tars.js'
import { oracle } from '../helpers/oracle.js'
import { temporaryDirectory } from '../native/tree.js'

const attributes = (count: number, sizeBytes: number) =>
  new Map(Array.from({ length: count }, (_, i) => [`user.a${String(i).padStart(3, '0')}`, new Uint8Array(sizeBytes)]))

test('attributes that fit pass untouched', () => {
  const plain = entry('a')
  assert.equal(boundXattrs(plain), plain)
  const few = entry('a', { xattrs: attributes(14, 65_536) })
  assert.equal(boundXattrs(few), few)
})

test('those that do not fit are left out, and the entry says so', () => {
  const { xattrs, error } = boundXattrs(entry('a', { xattrs: attributes(192, 65_536) }))
  const bytes = [...xattrs!].reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  assert.ok(xattrs!.size > 10 && bytes <= XATTRS_BYTES)
  assert.deepEqual([error?.code, error?.path], ['IBT_UNSUPPORTED_TYPE', 'a'])
  const mixed = new Map([...attributes(1, XATTRS_BYTES), ['user.z', new Uint8Array(1)]])
  assert.deepEqual([...boundXattrs(entry('a', { xattrs: mixed })).xattrs!.keys()], ['user.z'])
  assert.equal(boundXattrs(entry('a', { xattrs: attributes(1, XATTRS_BYTES) })).xattrs, undefined)
})

test('an entry with too many attributes is stored without them, reported and counted', async t => {
  const base = temporaryDirectory(t)
  const options = { key: 'k', store: join(base, 'store'), cache: false } as const
  const records = Object.fromEntries(
    [...attributes(15, 65_536)].map(([name]) => [`SCHILY.xattr.${name}`, 'x'.repeat(65_536)])
  )
  const tar = Buffer.concat([oddDirectory(), pax(records), oddFile('./a'), Buffer.alloc(1024)])
  const told: BackupError[] = []
  const onError = (error: BackupError) => told.push(error)
  const report = await fullBackup(base, { ...options, onError, stages: { walk: fromTar([tar]) } })
  assert.deepEqual([report.skippedEntries, report.totals.files, told.map(({ path }) => path)], [1, 1, ['a']])
  assert.deepEqual((await verifyBackup('k', { ...options, readData: true })).problems, [])
})

/** Whether the file system of the temporary directory takes 192 attributes of 64 KiB. */
function takesLargeXattrs(path: string): boolean {
  const script = 'import os, sys\nfor i in range(192): os.setxattr(sys.argv[1], f"user.a{i:03}", b"x" * 65536)'
  return spawnSync('python3', ['-c', script, path]).status === 0
}

test('a file that has too many on disk is stored and restored', oracle('python3'), async t => {
  const base = temporaryDirectory(t)
  const options = { key: 'k', store: join(base, 'store'), cache: false } as const
  const source = join(base, 'source')
  execFileSync('mkdir', [source])
  writeFileSync(join(source, 'a'), 'A')
  if (!takesLargeXattrs(join(source, 'a'))) {
    t.skip('the file system has no room for so many attributes')
    return
  }
  const report = await fullBackup(source, options)
  assert.deepEqual([report.skippedEntries, report.totals.files], [1, 1])
  assert.equal((await restoreBackup('k', join(base, 'out'), options)).files, 1)
})
