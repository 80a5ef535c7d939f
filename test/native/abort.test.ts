import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { getEventListeners } from 'node:events'
import { closeSync, openSync, readdirSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBackupError } from '../../src/errors.js'
import {
  createScanner,
  listDirectory,
  Operation,
  openFile,
  operate,
  readFiles,
  type StatColumns,
  signatureFile
} from '../../src/native.js'
import { oracle } from '../helpers/oracle.js'
import { columnsOf, randomBytes, temporaryDirectory, terminated } from './tree.js'

const openDescriptors = () => readdirSync('/proc/self/fd').length
const hasProc = process.platform === 'linux' ? {} : { skip: 'only Linux has /proc' }

test('an aborted signal refuses at once, with its reason', async () => {
  const reason = { any: 'value' }
  const signal = AbortSignal.abort(reason)
  await assert.rejects(listDirectory(Buffer.from('/'), '.', { signal }), error => error === reason)
})

test('an abort rejects with the reason, leaves no listener, and the job stops', oracle('mkfifo'), async t => {
  const directory = temporaryDirectory(t)
  spawnSync('mkfifo', [join(directory, 'fifo')])
  // Both ends are open: the job waits for bytes that never come.
  const fifo = openSync(join(directory, 'fifo'), 'r+')
  const out = openSync(join(directory, 'out'), 'w')
  const controller = new AbortController()
  const reason = new Error('enough')
  const job = signatureFile(fifo, out, {}, controller.signal)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1)
  await sleep(30)
  controller.abort(reason)
  await assert.rejects(job, error => error === reason)
  assert.equal(getEventListeners(controller.signal, 'abort').length, 0)
  closeSync(fifo)
  closeSync(out)
})

test('a finished call leaves no listener', async t => {
  const root = Buffer.from(temporaryDirectory(t))
  const { signal } = new AbortController()
  for (let i = 0; i < 20; i++) await listDirectory(root, '.', { signal })
  await assert.rejects(listDirectory(root, 'none', { signal }), isBackupError)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('one listener serves all jobs of a signal, and those that wait are dropped too', async t => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'file'), randomBytes(1 << 20, 1))
  const names = terminated(Array(200).fill('file'))
  const options = { signMinBytes: 1, blockLenMin: 0, strongLen: 16, racyMs: 0 }
  const controller = new AbortController()
  const jobs = Array.from({ length: 100 }, () =>
    readFiles(Buffer.from(directory), names, 200, Buffer.allocUnsafeSlow(1 << 28), options, controller.signal)
  )
  assert.equal(getEventListeners(controller.signal, 'abort').length, 1)
  controller.abort()
  const results = await Promise.allSettled(jobs)
  assert.ok(results.every(({ status }) => status === 'rejected'))
  // The pool is free again: this would wait behind 20 GiB otherwise.
  await listDirectory(Buffer.from(directory), '.')
})

test('a job that waits for a thread settles at once when it is aborted', oracle('mkfifo'), async t => {
  const directory = temporaryDirectory(t)
  spawnSync('mkfifo', [join(directory, 'fifo')])
  const fifo = openSync(join(directory, 'fifo'), 'r+')
  const out = openSync(join(directory, 'out'), 'w')
  const blocking = new AbortController()
  // More than there are threads: all wait for bytes that never come.
  const blocked = Array.from({ length: 16 }, () => signatureFile(fifo, out, {}, blocking.signal))
  const waiting = new AbortController()
  const job = listDirectory(Buffer.from(directory), '.', { signal: waiting.signal })
  waiting.abort()
  await assert.rejects(job, error => error === waiting.signal.reason)
  blocking.abort()
  const results = await Promise.allSettled(blocked)
  assert.ok(results.every(({ status }) => status === 'rejected'))
  closeSync(fifo)
  closeSync(out)
})

test('operations stop in the middle', async t => {
  const root = temporaryDirectory(t)
  const steps = Array.from({ length: 50_000 }, (_, i) => ({ code: Operation.makeDirectory, path: `d${i}` }))
  const controller = new AbortController()
  const job = operate(Buffer.from(root), columnsOf(steps), { signal: controller.signal })
  while (readdirSync(root).length === 0) await sleep(1)
  controller.abort()
  await assert.rejects(job, error => error === controller.signal.reason)
  const done = readdirSync(root).length
  await listDirectory(Buffer.from(root), '.')
  assert.equal(readdirSync(root).length, done)
  assert.ok(done < steps.length)
})

test('a scanner that was aborted is over, also if its job was done by then', async () => {
  for (const sizeBytes of [1 << 22, 1 << 18]) await assertAbortEnds(sizeBytes)
})

async function assertAbortEnds(sizeBytes: number): Promise<void> {
  const scanner = createScanner({ sign: true })
  const controller = new AbortController()
  const job = scanner.update(randomBytes(sizeBytes, 1), controller.signal)
  // While nothing is settled, the smaller job gets done.
  if (sizeBytes === 1 << 18) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
  controller.abort()
  await assert.rejects(job, error => error === controller.signal.reason)
  await assert.rejects(scanner.finish(), { code: 'IBT_NATIVE' })
}

test('a file that was opened for nobody is closed again', hasProc, async t => {
  const root = temporaryDirectory(t)
  writeFileSync(join(root, 'file'), '')
  await openFile(Buffer.from(root), Buffer.from('file'), 'read').then(({ fd }) => closeSync(fd))
  const before = openDescriptors()
  const won: { fd: number; stat: StatColumns }[] = []
  for (let i = 0; i < 300; i++) {
    const controller = new AbortController()
    const job = openFile(Buffer.from(root), Buffer.from('file'), 'read', controller.signal)
    if (i % 3 === 0) controller.abort()
    else setTimeout(() => controller.abort(), i % 3 === 1 ? 0 : 1)
    await job.then(
      opened => won.push(opened),
      () => {}
    )
  }
  for (const { fd } of won) closeSync(fd)
  assert.equal(openDescriptors(), before)
})

test('a file job on a large file stops early', async t => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'large'), '')
  truncateSync(join(directory, 'large'), 64 * 2 ** 30)
  const inFd = openSync(join(directory, 'large'), 'r')
  const outFd = openSync(join(directory, 'out'), 'w')
  const controller = new AbortController()
  const job = signatureFile(inFd, outFd, { blockLen: 65_536 }, controller.signal)
  while (statSync(join(directory, 'out')).size === 0) await sleep(1)
  controller.abort()
  await assert.rejects(job, error => error === controller.signal.reason)
  const { size } = statSync(join(directory, 'out'))
  await listDirectory(Buffer.from(directory), '.')
  assert.equal(statSync(join(directory, 'out')).size, size)
  closeSync(inFd)
  closeSync(outFd)
})
