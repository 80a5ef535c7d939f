import assert from 'node:assert/strict'
import { closeSync, fsyncSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { syncDescriptor } from '../../src/native/sync.js'
import { syncDirectory } from '../../src/stores/directory-files.js'
import { temporaryDirectory } from './tree.js'

const linux = { skip: process.platform === 'linux' ? false : 'only Linux has /proc' }

test('a file system that knows no sync has not failed', linux, async () => {
  // Linux answers EINVAL for what has no such call: a directory of /proc, as FUSE and network mounts may.
  const fd = openSync('/proc/self/task', 'r')
  assert.throws(() => fsyncSync(fd), { code: 'EINVAL' })
  await syncDescriptor(fd)
  closeSync(fd)
  await syncDirectory('/proc/self/task')
})

test('other errors of a sync are errors', async t => {
  await syncDirectory(temporaryDirectory(t))
  const fd = openSync(temporaryDirectory(t), 'r')
  closeSync(fd)
  await assert.rejects(syncDescriptor(fd), { code: 'EBADF' })
  await assert.rejects(syncDirectory('/nowhere/at/all'), { code: 'ENOENT' })
})
