import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { LOCK_RENEW_MS, LOCK_STALE_MS } from '../../src/constants.js'
import { directoryStore } from '../../src/stores/directory.js'
import { acquireLock } from '../../src/stores/lock.js'
import { memoryStore } from '../../src/stores/memory.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Store } from '../../src/types.js'
import { bytesOf, collect } from '../helpers/entries.js'
import { temporaryDirectory } from '../native/tree.js'

const linux = { skip: process.platform === 'linux' ? false : 'only Linux has process namespaces' }
const held = { code: 'IBT_LOCKED' }

const read = async (store: Store) => JSON.parse(String(await bytesOf(store.get('key.lock'))))

/** A lock as the holder wrote it who is described. */
async function leave(fields: object): Promise<Store> {
  const store = memoryStore()
  const holder = {
    pid: spawnSync('true').pid,
    host: hostname(),
    boot: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pidNamespace: readlinkSync('/proc/self/ns/pid'),
    startedNs: '1700000000000000000',
    renewedNs: String(BigInt(Date.now()) * 1_000_000n),
    token: 'a'.repeat(32),
    ...fields
  }
  await store.put('key.lock', [Buffer.from(JSON.stringify(holder))])
  return store
}

/** A time so many milliseconds ago. */
const ago = (ms: number) => String(BigInt(Date.now() - ms) * 1_000_000n)

const ELSEWHERE: Record<string, object> = {
  'another process namespace': { pidNamespace: 'pid:[1]' },
  'another process namespace and host name of this machine': { pidNamespace: 'pid:[1]', host: 'container' },
  'another boot, or another machine of the same name': { boot: 'another' },
  'a process of this number that lives in another namespace': { pidNamespace: 'pid:[1]', pid: process.pid }
}
for (const [title, fields] of Object.entries(ELSEWHERE)) {
  test(`a lock of ${title} is held while it is renewed, and free when it is stale`, linux, async () => {
    for (const ms of [0, LOCK_STALE_MS - 10_000, -LOCK_STALE_MS]) {
      await assert.rejects(acquireLock(await leave({ ...fields, renewedNs: ago(ms) }), 'key'), held)
    }
    await assert.rejects(acquireLock(await leave({ ...fields, renewedNs: undefined }), 'key'), held)
    const stale = await leave({ ...fields, renewedNs: ago(LOCK_STALE_MS + 10_000) })
    await (await acquireLock(stale, 'key')).release()
    assert.deepEqual(await collect(stale.list()), [])
  })
}

test(
  'a lock of this boot and namespace is judged by its process, however fresh and under what host name',
  linux,
  async () => {
    await (await acquireLock(await leave({}), 'key')).release()
    await (await acquireLock(await leave({ host: 'renamed' }), 'key')).release()
    await assert.rejects(
      acquireLock(await leave({ pid: process.ppid, renewedNs: ago(2 * LOCK_STALE_MS) }), 'key'),
      held
    )
  }
)

test('a lock of another machine is held, however old it is', linux, async () => {
  const store = await leave({ host: 'elsewhere', boot: 'another', renewedNs: ago(1000 * LOCK_STALE_MS) })
  await assert.rejects(acquireLock(store, 'key'), held)
})

test('a lock says where its holder lives', linux, async () => {
  const store = memoryStore()
  const lock = await acquireLock(store, 'key')
  const { pid, host, boot, pidNamespace, began } = await read(store)
  assert.deepEqual([pid, host, pidNamespace], [process.pid, hostname(), readlinkSync('/proc/self/ns/pid')])
  assert.match(boot, /^[0-9a-f-]{36}$/)
  assert.match(began, /^\d+$/)
  await lock.release()
})

test('a lock is renewed until it is released, and not taken back from somebody who took it over', async t => {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'], now: Date.now() })
  const turns = async () => {
    for (let turn = 0; turn < 20; turn++) await setImmediate()
  }
  const memory = memoryStore()
  let isBroken = false
  const store = wrapStore(memory, {
    put: (...call) => (isBroken ? Promise.reject(new Error('No answer')) : memory.put(...call))
  })
  const lock = await acquireLock(store, 'key')
  const first = await read(store)
  for (const broken of [true, false]) {
    isBroken = broken
    t.mock.timers.tick(LOCK_RENEW_MS)
    await turns()
  }
  const second = await read(store)
  assert.equal(BigInt(second.renewedNs) - BigInt(first.renewedNs), BigInt(2 * LOCK_RENEW_MS) * 1_000_000n)
  assert.deepEqual({ ...second, renewedNs: '' }, { ...first, renewedNs: '' })
  await lock.check()
  await memory.put('key.lock', [Buffer.from(JSON.stringify({ ...second, token: 'b'.repeat(32) }))])
  await assert.rejects(lock.check(), held)
  t.mock.timers.tick(LOCK_RENEW_MS)
  await turns()
  assert.equal((await read(store)).token, 'b'.repeat(32))
  await lock.release()
  t.mock.timers.tick(10 * LOCK_RENEW_MS)
  await turns()
  assert.equal((await read(store)).token, 'b'.repeat(32))
})

test('a lock can be waited for, as long as it takes or as long as was said', async () => {
  const store = memoryStore()
  const first = await acquireLock(store, 'key')
  await assert.rejects(acquireLock(store, 'key', { waitMs: 50 }), held)
  const second = acquireLock(store, 'key', { waitMs: 60_000 })
  await setImmediate()
  await first.release()
  const lock = await second
  const reason = new Error('Enough')
  const controller = new AbortController()
  const third = acquireLock(store, 'key', { waitMs: 60_000, signal: controller.signal })
  setTimeout(() => controller.abort(reason), 50)
  await assert.rejects(third, error => error === reason)
  await lock.release()
})

/** Holds a lock in a process namespace of its own until its input ends. */
const HOLDER = `
  const { acquireLock, directoryStore } = await import(process.argv[1])
  const lock = await acquireLock(directoryStore(process.argv[2]), 'key')
  console.log('held')
  process.stdin.on('end', () => lock.release()).resume()
`

function unshares(): { skip: string | false } {
  const { status } = spawnSync('unshare', ['-p', '-f', '--mount-proc', 'true'])
  return { skip: status === 0 ? false : 'unshare may not make a process namespace here' }
}

test('a process that lives in another namespace of this machine keeps its lock', unshares(), async (t: TestContext) => {
  const path = temporaryDirectory(t)
  const stores = new URL('../../src/stores/index.js', import.meta.url).href
  const command = [process.execPath, '--input-type=module', '-e', HOLDER, stores, path]
  const child = spawn('unshare', ['-p', '-f', '--mount-proc', ...command], { stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const [text] = await once(child.stdout, 'data')
  assert.equal(String(text), 'held\n')
  const store = directoryStore(path)
  // Its number is that of no process here, or of another one.
  assert.ok((await read(store)).pid < 100)
  await assert.rejects(acquireLock(store, 'key'), held)
  child.stdin.end()
  await (await acquireLock(store, 'key', { waitMs: 120_000 })).release()
  await exited
})
