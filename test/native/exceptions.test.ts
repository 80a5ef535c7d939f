import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeFaultLibrary } from '../helpers/faults.js'
import { oracle } from '../helpers/oracle.js'
import { randomBytes, temporaryDirectory } from './tree.js'

const NATIVE = JSON.stringify(import.meta.resolve('../../src/native.js'))

/** What a module prints as JSON under these faults. The process must end in peace. */
function run<T>(directory: string, faults: Readonly<Record<string, string>>, script: string): T {
  const preloaded = [process.env.LD_PRELOAD, makeFaultLibrary(directory, 'native-faults')].filter(Boolean).join(' ')
  const env = { ...process.env, ...faults, LD_PRELOAD: preloaded }
  const args = ['--input-type=module', '-e', script, directory]
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
  assert.deepEqual([status, signal], [0, null], stderr)
  return JSON.parse(stdout)
}

/** Under the sanitizers their own calls come first. */
const FAULTS = process.env.LD_PRELOAD?.includes('asan')
  ? { skip: 'its preloaded library and that of the address sanitizer exclude each other' }
  : oracle('cc')

const LIST_TWICE = `
  import { listDirectory, setJobs } from ${NATIVE}
  setJobs(4)
  const list = () => listDirectory(Buffer.from(process.argv[1]), '.').then(
    ({ count }) => count > 0,
    ({ code, message, cause }) => [code, message, cause?.code]
  )
  console.log(JSON.stringify([await list(), await list()]))
`

test('where the system refuses every thread, a job fails with its cause', FAULTS, t => {
  const refused = ['IBT_NATIVE', 'Cannot list directory .', 'EAGAIN']
  assert.deepEqual(run(temporaryDirectory(t), { FAULT_THREADS: '0' }, LIST_TWICE), [refused, refused])
})

test('where the system refuses some threads, the others do the work', FAULTS, t => {
  assert.deepEqual(run(temporaryDirectory(t), { FAULT_THREADS: '1' }, LIST_TWICE), [true, true])
})

const ALL_JOBS = `
  import * as native from ${NATIVE}
  native.setJobs(2)
  const root = Buffer.from(process.argv[1])
  const names = Buffer.from('data/one\\0data/two\\0')
  const options = { signMinBytes: 1, blockLenMin: 0, strongLen: 16, racyMs: 0 }
  const content = Buffer.from('content '.repeat(8_000))
  const scan = async () => {
    const scanner = native.createScanner({ sign: true, blockLen: 2048 })
    await scanner.update(content)
    return (await scanner.finish()).signature
  }
  const jobs = [
    () => native.listDirectories(root, ['.', 'data']),
    () => native.readFiles(root, names, 2, Buffer.allocUnsafeSlow(1 << 20), options),
    () => native.readFiles(root, names, 2, native.allocateBytes(1 << 20), options),
    async () => {
      const { signature, delta } = await made
      await native.loadSignature(signature)
      await native.deltaBytes(signature, content)
      await native.composeBytes([delta, delta], 1 << 24)
      await native.patchBytes(content, delta, 1 << 24)
      const patcher = native.createPatcher(content)
      patcher.push(delta)
      while ((await patcher.pull(65_536))?.length > 0);
    },
    scan
  ]
  // Its own failures are tried again: the later jobs need it.
  const retried = async make => make().catch(() => retried(make))
  const made = (async () => {
    const signature = await retried(scan)
    return { signature, ...(await retried(() => native.deltaBytes(signature, content))) }
  })()
  const failures = {}
  let done = 0
  for (let i = 0; i < 200; i++) {
    try {
      await jobs[i % jobs.length]()
      done++
    } catch (error) {
      const { code, cause } = error
      const name = [code ?? error.stack, cause?.code].join(' ')
      failures[name] = (failures[name] ?? 0) + 1
    }
  }
  console.log(JSON.stringify({ done, failures }))
`

test('wherever memory runs out, a job fails and the process goes on', FAULTS, t => {
  const directory = temporaryDirectory(t)
  mkdirSync(join(directory, 'data'))
  writeFileSync(join(directory, 'data/one'), randomBytes(100_000, 1))
  writeFileSync(join(directory, 'data/two'), 'two')
  for (const every of ['61', '127']) {
    const { done, failures } = run<{ done: number; failures: Record<string, number> }>(
      directory,
      { FAULT_MEMORY: every },
      ALL_JOBS
    )
    assert.ok(done > 0 && done < 200, `${done} jobs were done`)
    const others = Object.keys(failures).filter(name => !/^IBT_NATIVE (ENOMEM)?$/.test(name))
    assert.deepEqual(others, [])
    assert.ok(failures['IBT_NATIVE ENOMEM']! > 0)
  }
})
