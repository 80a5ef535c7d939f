import assert from 'node:assert/strict'
import { chmodSync, fstatSync, readdirSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeWhole } from '../../src/native/whole-file.js'
import { code } from '../helpers/entries.js'
import { temporaryDirectory } from './tree.js'

test('a file appears under its name when it is whole, also under the longest', async t => {
  const directory = temporaryDirectory(t)
  for (const name of ['short', 'n'.repeat(255), '\u6587'.repeat(85)]) {
    const path = join(directory, name)
    await writeWhole(path, async fd => {
      writeSync(fd, 'content')
      assert.ok(!readdirSync(directory).includes(name))
    })
    assert.equal(readFileSync(path, 'utf8'), 'content')
  }
  assert.equal(readdirSync(directory).length, 3)
})

test('what breaks off leaves what was there, and nothing else', async t => {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'file')
  const failure = new Error('Enough')
  const fail = async (fd: number) => {
    writeSync(fd, 'half')
    throw failure
  }
  await assert.rejects(writeWhole(path, fail), error => error === failure)
  assert.deepEqual(readdirSync(directory), [])
  await writeWhole(path, async fd => writeSync(fd, 'old'))
  await assert.rejects(writeWhole(path, fail), error => error === failure)
  assert.deepEqual([readdirSync(directory), readFileSync(path, 'utf8')], [['file'], 'old'])
  await assert.rejects(writeWhole(join(directory, 'none/file'), fail), code('IBT_WRITE_FAILED'))
})

test('what replaces a file has its mode from the first byte on', async t => {
  const path = join(temporaryDirectory(t), 'file')
  for (const mode of [0o600, 0o640, 0o777]) {
    writeFileSync(path, 'old')
    chmodSync(path, mode)
    await writeWhole(path, async fd => {
      assert.equal(fstatSync(fd).mode & 0o777, mode)
      writeSync(fd, 'new')
    })
    assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).mode & 0o777], ['new', mode])
  }
})
