import assert from 'node:assert/strict'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { CHUNK_BYTES } from '../../src/constants.js'
import { writeAll } from '../../src/flow/gathered-writes.js'
import { HandSource } from '../../src/stores/hand-source.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

async function newFile(t: TestContext): Promise<{ readonly path: string; readonly file: FileHandle }> {
  const path = join(temporaryDirectory(t), 'file')
  const file = await open(path, 'wx')
  t.after(() => file.close())
  return { path, file }
}

/** A file whose writes end when they are let go. `most`: bytes that one write takes. */
function slowFile(file: FileHandle, most = Infinity) {
  const writes: number[] = []
  let letGo = () => {}
  const write = async (chunks: readonly Uint8Array[]) => {
    writes.push(chunks.length)
    await new Promise<void>(resolve => {
      letGo = resolve
    })
    const bytes = Buffer.concat(chunks).subarray(0, most)
    return file.write(bytes)
  }
  const slow = { write: (chunk: Uint8Array) => write([chunk]), writev: write } as unknown as FileHandle
  return { slow, writes, letGo: () => letGo() }
}

test('chunks of any size are written in their order', async t => {
  const { path, file } = await newFile(t)
  const bytes = createRandom(3).bytes(3_000_000)
  const chunks: Uint8Array[] = []
  for (let at = 0, size = 0; at < bytes.length; at += size, size = (size * 5 + 1) % 70_001)
    chunks.push(bytes.subarray(at, at + size))
  await writeAll(file, chunks)
  assert.ok((await readFile(path)).equals(bytes))
})

test('what comes while a write is under way is written at once, and a write that takes less goes on', async t => {
  const { path, file } = await newFile(t)
  const { slow, writes, letGo } = slowFile(file, 5)
  const source = new HandSource()
  const written = writeAll(slow, source)
  for (const text of ['ab', 'cde', 'f', '', 'gh']) await source.give(text)
  assert.deepEqual(writes, [1])
  await source.end()
  const timer = setInterval(letGo, 1)
  await written
  clearInterval(timer)
  assert.deepEqual(writes, [1, 3, 1])
  assert.equal(await readFile(path, 'utf8'), 'abcdefgh')
})

test('no more than a chunk and CHUNK_BYTES wait while a write is slow', async t => {
  const { file } = await newFile(t)
  const { slow, letGo } = slowFile(file)
  let pulled = 0
  function* source() {
    for (; pulled < 40; pulled++) yield Buffer.alloc(CHUNK_BYTES / 4)
  }
  const written = writeAll(slow, source())
  for (let i = 0; i < 10; i++) await setImmediate()
  // One is being written, four wait.
  assert.equal(pulled, 4)
  const timer = setInterval(letGo, 1)
  await written
  clearInterval(timer)
})

test('a write that fails does not wait for a source that is silent', async () => {
  const error = Object.assign(new Error('full'), { code: 'ENOSPC' })
  const full = { write: () => Promise.reject(error) } as unknown as FileHandle
  async function* source() {
    yield Buffer.from('first')
    await new Promise(() => {})
  }
  await assert.rejects(writeAll(full, source()), error)
  await assert.rejects(writeAll(full, [Buffer.from('the last')]), error)
})

test('when the source fails, its error comes after the write under way has ended', async t => {
  const { file } = await newFile(t)
  const { slow, letGo } = slowFile(file)
  const error = new Error('of the source')
  async function* source() {
    yield Buffer.from('first')
    throw error
  }
  let hasSettled = false
  const written = writeAll(slow, source()).finally(() => {
    hasSettled = true
  })
  written.catch(() => {})
  for (let i = 0; i < 10; i++) await setImmediate()
  assert.equal(hasSettled, false)
  letGo()
  await assert.rejects(written, error)
})
