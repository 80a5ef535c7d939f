import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
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

test('what a killed process has left of a file is removed by the next one that writes the file, and nothing else', async t => {
  const directory = temporaryDirectory(t)
  const script = `
    import { writeWhole } from ${JSON.stringify(new URL('../../src/native/whole-file.js', import.meta.url).href)}
    await writeWhole(${JSON.stringify(join(directory, 'file'))}, async () => {
      console.log('open')
      await new Promise(resolve => setTimeout(resolve, 60_000))
    })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const [left] = readdirSync(directory)
  const others = ['.ibt-0123456789abcdef.tmp', '.ibt-notes.tmp']
  for (const name of others) writeFileSync(join(directory, name), 'text')
  const write = (name: string) => writeWhole(join(directory, name), async fd => writeSync(fd, 'content'))
  await write('file')
  assert.deepEqual(readdirSync(directory).sort(), [...others, left, 'file'].sort())
  child.kill('SIGKILL')
  await once(child, 'exit')
  await write('other')
  assert.deepEqual(readdirSync(directory).sort(), [...others, left, 'file', 'other'].sort())
  await write('file')
  assert.deepEqual(readdirSync(directory).sort(), [...others, 'file', 'other'].sort())
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
