import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createScanner, listDirectory } from '../../src/native.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from './tree.js'

const NATIVE = JSON.stringify(new URL('../../src/native.js', import.meta.url).href)
const INDEX = JSON.stringify(new URL('../../src/index.js', import.meta.url).href)
const BUSY = `
  const { parentPort } = require('node:worker_threads')
  import(${NATIVE}).then(async ({ createScanner, listDirectory, loadSignature }) => {
    const bytes = Buffer.alloc(1 << 24)
    const work = async () => {
      for (;;) {
        const scanner = createScanner({ sign: true, blockLen: 512 })
        await scanner.update(bytes)
        await loadSignature((await scanner.finish()).signature)
        await listDirectory(Buffer.from('/'), '.')
      }
    }
    for (let i = 0; i < 8; i++) work()
    parentPort?.postMessage('busy')
  })`

test('each worker thread has a pool of its own', async () => {
  const script = `
    const { parentPort } = require('node:worker_threads')
    import(${NATIVE}).then(async ({ listDirectory, setJobs }) => {
      setJobs(1)
      parentPort.postMessage((await listDirectory(Buffer.from('/'), '.')).count)
    })`
  const expected = (await listDirectory(Buffer.from('/'), '.')).count
  const counts = await Promise.all(
    [1, 2, 3].map(async () => {
      const worker = new Worker(script, { eval: true })
      // Both at once: a thread may be gone before its message is looked at.
      const [[count], [code]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
      assert.equal(code, 0)
      return count
    })
  )
  assert.deepEqual(counts, [expected, expected, expected])
})

test('a worker thread that is terminated while its jobs run takes nothing with it', async () => {
  for (let i = 0; i < 10; i++) {
    const worker = new Worker(BUSY, { eval: true })
    await once(worker, 'message')
    await sleep(i * 5)
    await worker.terminate()
  }
  const scanner = createScanner({})
  await scanner.update(Buffer.from('abc'))
  assert.equal((await scanner.finish()).sizeBytes, 3)
})

test('a backup and restores in a worker thread leave no descriptor, and Node warns of none', async t => {
  const base = temporaryDirectory(t)
  mkdirSync(join(base, 'src'))
  writeFileSync(join(base, 'src/large'), randomBytes(9_000_000, 1))
  const script = `
    const { parentPort, workerData: base } = require('node:worker_threads')
    const fs = require('node:fs')
    const warnings = []
    process.on('warning', ({ message }) => warnings.push(message))
    import(${INDEX}).then(async ({ fullBackup, incrementalBackup, restoreBackup }) => {
      const options = { store: base + '/store', cache: false, overwrite: 'if-changed' }
      const open = () => fs.readdirSync('/proc/self/fd').length
      await fullBackup(base + '/src', options)
      await restoreBackup('src', base + '/out', options)
      const before = open()
      fs.writeSync(fs.openSync(base + '/src/large', 'r+'), 'changed')
      await incrementalBackup(base + '/src', options)
      await restoreBackup('src', base + '/out', options)
      await new Promise(setImmediate)
      parentPort.postMessage({ warnings, left: open() - before })
    })`
  const worker = new Worker(script, { eval: true, workerData: base })
  const [[said]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
  // The one that the test leaves open itself.
  assert.deepEqual(said, { warnings: [], left: 1 })
  assert.deepEqual(readFileSync(join(base, 'out/large')), readFileSync(join(base, 'src/large')))
})

test('a worker thread that waits for a pipe can be terminated', oracle('mkfifo'), async t => {
  const directory = temporaryDirectory(t)
  spawnSync('mkfifo', [join(directory, 'fifo')])
  const fd = openSync(join(directory, 'fifo'), 'r+')
  const script = `
    const { parentPort } = require('node:worker_threads')
    import(${NATIVE}).then(({ signatureFile }) => {
      signatureFile(${fd}, ${fd})
      parentPort.postMessage('waits')
    })`
  const worker = new Worker(script, { eval: true })
  await once(worker, 'message')
  await worker.terminate()
})

const runNode = (script: string) =>
  spawnSync(process.execPath, ['-e', script], { encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL' })

test('a process that exits while jobs run ends cleanly', () => {
  for (const delay of [0, 20, 50]) {
    const { status, signal, stderr } = runNode(
      `${BUSY.replace("const { parentPort } = require('node:worker_threads')", 'const parentPort = undefined')}
       setTimeout(() => process.exit(7), 150 + ${delay})`
    )
    assert.deepEqual([status, signal, stderr], [7, null, ''])
  }
})

test('a pending job keeps the process alive, an idle pool does not', () => {
  const { status, stdout, stderr } = runNode(`
    import(${NATIVE}).then(async ({ listDirectory }) => {
      await listDirectory(Buffer.from('/'), '.')
      setTimeout(() => listDirectory(Buffer.from('/'), '.').then(() => console.log('done')), 50)
    })`)
  assert.deepEqual([status, stdout, stderr], [0, 'done\n', ''])
})

test('importing the module loads no addon', () => {
  const { stdout } = runNode(`
    import(${NATIVE}).then(() => {
      console.log(process.report.getReport().sharedObjects.some(path => path.includes('librsync-native')))
    })`)
  assert.equal(stdout, 'false\n')
})

test('many jobs at once all settle, each with its own result', async t => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'file'), '')
  const root = Buffer.from(directory)
  const jobs = Array.from({ length: 5000 }, async (_, i) => {
    if (i % 2 === 0) return (await listDirectory(root, '.')).count === 1
    const scanner = createScanner({ sign: true })
    await scanner.update(randomBytes(i, i))
    return (await scanner.finish()).sizeBytes === i
  })
  assert.ok((await Promise.all(jobs)).every(Boolean))
})
