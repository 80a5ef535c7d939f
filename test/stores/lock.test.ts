import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { directoryStore } from '../../src/stores/directory.js'
import { acquireLock, cleanTakeOvers, type Lock } from '../../src/stores/lock.js'
import { memoryStore } from '../../src/stores/memory.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Store } from '../../src/types.js'
import { collect } from '../helpers/entries.js'

const made: string[] = []
after(() => Promise.all(made.map(path => rm(path, { recursive: true, force: true }))))

const STORES: Record<string, () => Promise<Store>> = {
  directoryStore: async () => {
    const path = await mkdtemp(join(tmpdir(), 'ibt-lock-'))
    made.push(path)
    return directoryStore(path)
  },
  memoryStore: async () => memoryStore(),
  'a store without create': async () => ({ ...bound(memoryStore()) })
}

function bound(store: ReturnType<typeof memoryStore>): Store {
  return {
    id: store.id,
    put: store.put.bind(store),
    get: store.get.bind(store),
    list: store.list.bind(store),
    delete: store.delete.bind(store)
  }
}

async function names(store: Store): Promise<string[]> {
  const found: string[] = []
  for await (const { name } of store.list()) found.push(name)
  return found
}

/** A lock as a process that is gone has left it. */
async function leave(store: Store, fields: object = {}, name = 'key.lock'): Promise<void> {
  const { pid } = spawnSync('true')
  const holder = { pid, host: hostname(), startedNs: '1700000000000000000', token: 'a'.repeat(32), ...fields }
  await store.put(name, [Buffer.from(JSON.stringify(holder))])
}

for (const [kind, makeStore] of Object.entries(STORES)) {
  test(`${kind}: a key is locked once, and free again after its release`, async () => {
    const store = await makeStore()
    const lock = await acquireLock(store, 'key')
    assert.deepEqual(await names(store), ['key.lock'])
    await assert.rejects(acquireLock(store, 'key'), error => {
      const { code, path, message } = error as { code: string; path: string; message: string }
      assert.equal(code, 'IBT_LOCKED')
      assert.equal(path, 'key.lock')
      assert.match(message, new RegExp(`process ${process.pid} of ${hostname()} since \\d{4}-.*delete key.lock`))
      return true
    })
    const other = await acquireLock(store, 'key2')
    await lock.release()
    await lock.release()
    assert.deepEqual(await names(store), ['key2.lock'])
    await (await acquireLock(store, 'key')).release()
    await other.release()
    assert.deepEqual(await names(store), [])
  })

  test(`${kind}: the lock of a process that is gone is taken over`, async () => {
    const store = await makeStore()
    await leave(store)
    const lock = await acquireLock(store, 'key')
    assert.deepEqual(await names(store), ['key.lock'])
    await assert.rejects(acquireLock(store, 'key'), { code: 'IBT_LOCKED' })
    await lock.release()
    assert.deepEqual(await names(store), [])
  })

  test(`${kind}: the lock of another host, of a live process or of nobody is not taken over`, async () => {
    for (const fields of [{ host: 'elsewhere' }, { pid: process.ppid }, { pid: 'x' }, { token: 5 }, { pid: -1 }]) {
      const store = await makeStore()
      await leave(store, fields)
      await assert.rejects(acquireLock(store, 'key'), { code: 'IBT_LOCKED' }, JSON.stringify(fields))
      assert.deepEqual(await names(store), ['key.lock'])
    }
    for (const text of ['', '{', 'null', '[]']) {
      const store = await makeStore()
      await store.put('key.lock', [Buffer.from(text)])
      await assert.rejects(acquireLock(store, 'key'), { code: 'IBT_LOCKED', message: /does not name/ })
    }
  })

  test(`${kind}: a release leaves a lock that is somebody else’s by now`, async () => {
    const store = await makeStore()
    const lock = await acquireLock(store, 'key')
    await leave(store, { pid: 1, host: 'elsewhere' })
    await lock.release()
    assert.deepEqual(await names(store), ['key.lock'])
  })

  test(`${kind}: an aborted wait takes no lock`, async () => {
    const store = await makeStore()
    const reason = new Error('Enough')
    await assert.rejects(acquireLock(store, 'key', { signal: AbortSignal.abort(reason) }), error => error === reason)
    assert.deepEqual(await names(store), [])
  })
}

test('a process number that is used again holds no lock', {
  skip: process.platform !== 'linux' && 'only Linux tells when a process has started, in /proc'
}, async () => {
  const store = memoryStore()
  await leave(store, { pid: process.ppid, began: '1' })
  await (await acquireLock(store, 'key')).release()
})

for (const kind of ['directoryStore', 'memoryStore']) {
  test(`${kind}: of many that ask at the same time, one gets a free lock and one takes over a dead one`, async () => {
    for (const isDead of [false, true]) {
      for (let round = 0; round < 10; round++) {
        const store = await STORES[kind]!()
        if (isDead) await leave(store)
        const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => acquireLock(store, 'key')))
        const locks = outcomes.flatMap(outcome => (outcome.status === 'fulfilled' ? [outcome.value] : []))
        const refusals = outcomes.flatMap(outcome => (outcome.status === 'rejected' ? [outcome.reason] : []))
        for (const { code, message } of refusals) assert.equal(code, 'IBT_LOCKED', message)
        assert.ok(locks.length <= 1, `${locks.length} hold the lock`)
        // All may be refused only where each met another one's take-over.
        await (locks[0] ?? (await acquireLock(store, 'key'))).release()
        assert.deepEqual(await names(store), [])
      }
    }
  })
}

test('a process that has ended holds no lock, also if its parent never asks for its exit code', {
  skip: process.platform !== 'linux' && 'only Linux tells what a process does, in /proc'
}, async t => {
  // `sleep` takes the place of the shell, and knows nothing of its child.
  const parent = spawn('sh', ['-c', 'sleep 60 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => parent.kill('SIGKILL'))
  const pid = Number(String((await once(parent.stdout, 'data'))[0]))
  // The shell would ask.
  while ((await readFile(`/proc/${parent.pid}/comm`, 'utf8')).trim() !== 'sleep') await setTimeout(5)
  process.kill(pid, 'SIGKILL')
  while (!/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8'))) await setTimeout(5)
  const store = memoryStore()
  await leave(store, { pid })
  await (await acquireLock(store, 'key')).release()
})

test('a slow taker does not replace the lock of one that was faster', async () => {
  const store = memoryStore()
  await leave(store)
  let first: Lock | undefined
  const slow: Store = {
    ...bound(store),
    create: async (name, bytes) => {
      if (name !== 'key.lock') first ??= await acquireLock(store, 'key')
      return store.create(name, bytes)
    }
  }
  await assert.rejects(acquireLock(slow, 'key'), { code: 'IBT_LOCKED' })
  assert.deepEqual(await names(store), ['key.lock'])
  await first!.release()
  assert.deepEqual(await names(store), [])
})

test('a take-over whose taker died is taken over', async () => {
  const store = memoryStore()
  await leave(store)
  await leave(store, { token: 'b'.repeat(32) }, `key.lock.${'a'.repeat(16)}`)
  await (await acquireLock(store, 'key')).release()
  assert.deepEqual(await names(store), [])
})

test('a taker that died when it had taken over leaves nothing behind the next one', async () => {
  const store = memoryStore()
  await leave(store, { token: 'b'.repeat(32) })
  await leave(store, { token: 'b'.repeat(32) }, `key.lock.${'a'.repeat(16)}`)
  await (await acquireLock(store, 'key')).release()
  assert.deepEqual(await names(store), [])
})

test('what take-overs have left when their process died is removed, and nothing else', async () => {
  const store = memoryStore()
  const [gate, other] = [`key.lock.${'a'.repeat(16)}`, `key.lock.${'b'.repeat(16)}`]
  await leave(store, {}, gate)
  await leave(store, {}, `${gate}.${'c'.repeat(16)}`)
  await leave(store, { pid: process.pid, began: undefined }, other)
  const others = [
    `key.lock.${'a'.repeat(15)}`,
    `key.lock.full.${'d'.repeat(16)}`,
    'key.lock.lock',
    `key2.lock.${'a'.repeat(16)}`
  ]
  for (const name of others) await leave(store, {}, name)
  await cleanTakeOvers(store, 'key', await collect(store.list()))
  assert.deepEqual((await names(store)).sort(), [other, ...others].sort())
})

test('a lock that its process could not release is taken over when that was killed', async () => {
  const store = (await STORES.directoryStore!()) as ReturnType<typeof directoryStore>
  const lockFile = new URL('../../src/stores/lock.js', import.meta.url)
  const directoryFile = new URL('../../src/stores/directory.js', import.meta.url)
  const script = `
    const { acquireLock } = await import(${JSON.stringify(lockFile)})
    const { directoryStore } = await import(${JSON.stringify(directoryFile)})
    await acquireLock(directoryStore(${JSON.stringify(store.path)}), 'key')
    console.log('locked')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await assert.rejects(acquireLock(store, 'key'), { code: 'IBT_LOCKED', message: new RegExp(`process ${child.pid} `) })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await acquireLock(store, 'key')).release()
  assert.deepEqual(await readdir(store.path), [])
})

test('a key that no name can hold is refused', async () => {
  await assert.rejects(acquireLock(memoryStore(), 'a/b'), { code: 'IBT_NAME_INVALID' })
})

test('what a take-over has left when its store failed is removed by the same process, too', async () => {
  const memory = memoryStore()
  await leave(memory)
  let gets = 0
  const get: Store['get'] = async function* (...args) {
    // The lock, the lock again behind the gate, the gate.
    if (++gets === 3) throw new Error('No answer')
    yield* memory.get(...args)
  }
  await assert.rejects(acquireLock(wrapStore(memory, { get }), 'key'), { message: 'No answer' })
  assert.equal((await names(memory)).length, 1, 'the gate is left')
  await cleanTakeOvers(memory, 'key', await collect(memory.list()))
  assert.deepEqual(await names(memory), [])
})

test('a call that stored the lock and then failed, or was aborted meanwhile, leaves no lock', async () => {
  for (const call of ['create', 'put'] as const) {
    const memory = memoryStore()
    const controller = new AbortController()
    for (const fails of [() => Promise.reject(new Error('No answer')), () => controller.abort(new Error('Enough'))]) {
      const store = wrapStore(memory, {
        create: undefined,
        [call]: async (...args: never[]) => {
          await (memory[call] as (...args: never[]) => Promise<unknown>)(...args)
          await fails()
          controller.signal.throwIfAborted()
        }
      })
      await assert.rejects(acquireLock(store, 'key', { signal: controller.signal }), /No answer|Enough/)
      assert.deepEqual(await names(memory), [])
    }
  }
})
