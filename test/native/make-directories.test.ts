import assert from 'node:assert/strict'
import { existsSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectories } from '../../src/native/make-directories.js'
import { temporaryDirectory } from './tree.js'

test('directories are made with those above them, and again without harm', async t => {
  const path = Buffer.concat([Buffer.from(join(temporaryDirectory(t), 'a/b/')), Buffer.from([0xff])])
  await makeDirectories(path, 0o700)
  await makeDirectories(path, 0o700)
  assert.ok(statSync(path).isDirectory())
  await makeDirectories(Buffer.from('/'))
})

test('what is in the way is an error', async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), '')
  symlinkSync('nowhere', join(root, 'link'))
  await assert.rejects(makeDirectories(Buffer.from(join(root, 'file'))), { code: 'EEXIST' })
  await assert.rejects(makeDirectories(Buffer.from(join(root, 'file/a'))), { code: 'ENOTDIR' })
  await assert.rejects(makeDirectories(Buffer.from(join(root, 'link/a'))), { code: 'EEXIST' })
})

test('it ends where nothing can be made', {
  skip: existsSync('/proc/self') ? false : 'only Linux has /proc'
}, async () => {
  await assert.rejects(makeDirectories(Buffer.from('/proc/nowhere/at/all')), { code: 'ENOENT' })
})
