import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { fullBackup, incrementalBackup, restoreBackup, verifyBackup } from '../../../src/index.js'
import { HandSource } from '../../../src/stores/hand-source.js'
import {
  APPEND_ONLY,
  directoryStore,
  memoryStore,
  READ_ONLY,
  type RemoteStore,
  remoteStore,
  type ServeStoreOptions,
  serveStore,
  storeConformance,
  wrapStore
} from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { bytesOf, collect } from '../../helpers/entries.js'
import { oracle } from '../../helpers/oracle.js'
import { temporaryDirectory } from '../../native/tree.js'

const INDEX = fileURLToPath(new URL('../../../src/stores/index.js', import.meta.url))

/** Servers and clients of this file, to be closed. */
const opened: { close(): unknown }[] = []
after(async () => {
  for (const one of opened.reverse()) await one.close()
})

interface Served {
  readonly store: RemoteStore
  /** All sockets of the serving side, by now. */
  readonly sockets: Socket[]
  readonly ends: Promise<void>[]
}

/** Serves a store over TCP, every chunk so many milliseconds late. */
async function overTcp(store: Store, options: ServeStoreOptions = {}, latencyMs = 0): Promise<Served> {
  const sockets: Socket[] = []
  const ends: Promise<void>[] = []
  const server = await listen(socket => {
    sockets.push(socket)
    ends.push(serveStore(socket, store, options))
  })
  const port =
    latencyMs === 0 ? portOf(server) : portOf(await listen(socket => relay(socket, portOf(server), latencyMs)))
  const remote = await remoteStore(() => connect(port, '127.0.0.1'))
  opened.push(remote)
  return { store: remote, sockets, ends }
}

async function listen(onSocket: (socket: Socket) => void): Promise<Server> {
  const server = createServer(onSocket)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  opened.push(server)
  return server
}

const portOf = (server: Server) => (server.address() as AddressInfo).port

function relay(near: Socket, port: number, latencyMs: number): void {
  const far = connect(port, '127.0.0.1')
  for (const [from, to] of [
    [near, far],
    [far, near]
  ] as const) {
    from.on('data', chunk => globalThis.setTimeout(() => to.write(chunk), latencyMs))
    from.on('end', () => globalThis.setTimeout(() => to.end(), latencyMs))
    from.on('error', () => to.destroy())
  }
}

const names = async (store: Store) => (await collect(store.list())).map(({ name }) => name)

storeConformance('a store over TCP', async () => (await overTcp(memoryStore())).store, { test, many: true })
storeConformance('a store over TCP with latency', async () => (await overTcp(memoryStore(), {}, 3)).store, { test })

/** A source, and what a backup needs. */
function source(t: TestContext) {
  const base = temporaryDirectory(t)
  const path = join(base, 'source')
  mkdirSync(path)
  writeFileSync(join(path, 'large'), Buffer.alloc(6_000_000, 'abcdefg'))
  for (let i = 0; i < 50; i++) writeFileSync(join(path, `file-${i}`), `text ${i}`)
  return { base, path }
}

test('a small frame does not wait for the acknowledgement of another one, on either side', async () => {
  const asked: string[] = []
  const watched = (socket: Socket, side: string) => {
    const { setNoDelay } = socket
    socket.setNoDelay = isOn => {
      if (isOn) asked.push(side)
      return setNoDelay.call(socket, isOn)
    }
    return socket
  }
  const server = await listen(socket => void serveStore(watched(socket, 'server'), memoryStore()))
  const store = await remoteStore(() => watched(connect(portOf(server), '127.0.0.1'), 'client'))
  assert.deepEqual(asked.sort(), ['client', 'server'])
  await store.close()
})

test('a full, an increment, a verification and a restore through it; the id is of the host, the places are kept', async t => {
  const { base, path } = source(t)
  const inner = directoryStore(join(base, 'store'))
  const { store } = await overTcp(inner)
  assert.match(store.id, /^remote-[0-9a-f]{32}$/)
  assert.deepEqual(store.places, process.platform === 'linux' ? inner.places : undefined)
  const options = { store, cache: join(base, 'cache'), key: 'key' }
  await fullBackup(path, options)
  writeFileSync(join(path, 'large'), Buffer.alloc(6_500_000, 'abcdefg'))
  const { totals } = await incrementalBackup(path, options)
  assert.equal(totals.updated, 1)
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  assert.equal((await restoreBackup('key', join(base, 'out'), options)).files, 51)
  assert.ok(readFileSync(join(base, 'out/large')).equals(readFileSync(join(path, 'large'))))
})

test('a store that is slow to take one put holds up no other call, in either direction', async () => {
  const inner = memoryStore()
  let letGo = () => {}
  const free = new Promise<void>(resolve => {
    letGo = resolve
  })
  const slow = wrapStore(inner, {
    async put(name, source, options) {
      if (name.startsWith('slow')) await free
      await inner.put(name, source, options)
    }
  })
  const { store } = await overTcp(slow)
  const large = () => Array.from({ length: 8 }, (_, i) => Buffer.alloc(1_000_000, i))
  const stuck = ['slow-1', 'slow-2', 'slow-3'].map(name => store.put(name, large()))
  await store.put('fast', large())
  const unread = store.get('fast')[Symbol.asyncIterator]()
  await unread.next()
  assert.equal((await bytesOf(store.get('fast'))).length, 8_000_000)
  assert.deepEqual(await names(store), ['fast'])
  letGo()
  await Promise.all(stuck)
  await unread.return?.()
  assert.deepEqual(await names(inner), ['fast', 'slow-1', 'slow-2', 'slow-3'])
})

test('an abort crosses to the store, and an error of the store to a caller whose source is silent', async () => {
  const inner = memoryStore()
  const reasons: unknown[] = []
  const watched = wrapStore(inner, {
    async put(name, source, options) {
      if (name === 'full') throw Object.assign(new Error('/secret/path is full'), { code: 'ENOSPC' })
      options!.signal!.addEventListener('abort', () => reasons.push(name))
      await inner.put(name, source, options)
    }
  })
  const { store } = await overTcp(watched)
  const controller = new AbortController()
  const silent = new HandSource()
  const aborted = store.put('name', silent, { signal: controller.signal })
  await silent.give('half')
  controller.abort(new Error('Enough'))
  await assert.rejects(aborted, { message: 'Enough' })
  assert.deepEqual([reasons, await names(inner)], [['name'], []])
  await assert.rejects(
    store.put('full', new HandSource()),
    (error: Error & { code: string; cause: { code: string } }) => {
      assert.deepEqual(
        [error.code, error.cause.code, /secret/.test(error.message)],
        ['IBT_STORE_FAILED', 'ENOSPC', false]
      )
      return true
    }
  )
})

test('a lost connection rejects every call, publishes nothing, and the next call connects again', async () => {
  const inner = memoryStore()
  const { store, sockets, ends } = await overTcp(inner)
  await store.put('there', [Buffer.alloc(5_000_000)])
  const silent = new HandSource()
  const reader = store.get('there')[Symbol.asyncIterator]()
  await reader.next()
  const calls = [
    store.put('name', silent),
    (async () => {
      while (!(await reader.next()).done);
    })()
  ]
  for (const call of calls) call.catch(() => {})
  await silent.give('half')
  sockets[0]!.destroy()
  for (const call of calls) await assert.rejects(call, { code: 'IBT_STORE_FAILED' })
  await ends[0]
  assert.deepEqual(await names(inner), ['there'])
  assert.deepEqual(await Promise.all([names(store), names(store)]), [['there'], ['there']])
  assert.equal(sockets.length, 2)
})

test('only what is allowed is served: append-only takes backups and deletes or replaces none; read-only restores', async t => {
  const { base, path } = source(t)
  const inner = memoryStore()
  const append = await overTcp(inner, { allow: APPEND_ONLY })
  const options = { store: append.store, cache: false as const, key: 'key' }
  await fullBackup(path, options)
  writeFileSync(join(path, 'new'), 'new')
  await incrementalBackup(path, options)
  const stored = await names(inner)
  assert.equal(stored.length, 5)
  const refused = { code: 'IBT_NOT_ALLOWED' }
  for (const name of stored) {
    await assert.rejects(append.store.delete(name), refused)
    await assert.rejects(append.store.put(name, [Buffer.from('x')]), refused)
  }
  // Both would be new: the second one would replace the first.
  const [one, other] = [new HandSource(), new HandSource()]
  const first = append.store.put('twice', one)
  await one.give('x')
  await assert.rejects(append.store.put('twice', other), refused)
  await one.end()
  await first
  await assert.rejects(append.store.delete('key.lockx'), refused)

  const reading = (await overTcp(inner, { allow: READ_ONLY })).store
  assert.deepEqual([reading.create, reading.clean], [undefined, undefined])
  await assert.rejects(reading.put('name', [Buffer.from('x')]), refused)
  await assert.rejects(reading.put('key.lock', [Buffer.from('x')]), refused)
  assert.equal((await restoreBackup('key', join(base, 'out'), { ...options, store: reading })).files, 52)
})

test('over TLS', oracle('openssl'), async t => {
  const pem = join(temporaryDirectory(t), 'pem')
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', pem]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  execFileSync('openssl', ['req', '-x509', ...key, '-days', '2', '-out', `${pem}.cert`, ...subject], { stdio: 'pipe' })
  const [secret, cert] = [readFileSync(pem), readFileSync(`${pem}.cert`)]
  const inner = memoryStore()
  const server = createTlsServer({ key: secret, cert }, socket => serveStore(socket, inner))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  opened.push(server)
  const to = { port: portOf(server), host: '127.0.0.1', servername: 'localhost', ca: cert }
  await using store = await remoteStore(() => connectTls(to))
  await store.put('name', [Buffer.alloc(5_000_000, 'x')])
  assert.equal((await bytesOf(store.get('name', { start: 1 }))).length, 4_999_999)
  await assert.rejects(
    remoteStore(() => connectTls({ ...to, ca: [] })),
    { code: 'IBT_STORE_FAILED' }
  )
})

/** A process that serves a directory on its standard input and output. */
function serveChild(t: TestContext, directory: string, children: ChildProcess[] = []) {
  const script = `
    import { directoryStore, serveStore } from ${JSON.stringify(INDEX)}
    const wire = { readable: process.stdin, writable: process.stdout }
    await serveStore(wire, directoryStore(process.argv[1]))`
  return () => {
    const args = ['--input-type=module', '-e', script, directory]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    t.after(() => child.kill())
    children.push(child)
    return { readable: child.stdout, writable: child.stdin }
  }
}

test('over the pipes of a child: it ends with the connection, and when it is killed no half artifact appears', async t => {
  const { base, path } = source(t)
  const children: ChildProcess[] = []
  const store = await remoteStore(serveChild(t, join(base, 'store'), children))
  const options = { store, cache: false as const, key: 'key' }
  await fullBackup(path, options)
  writeFileSync(join(path, 'more'), Buffer.alloc(3_000_000, 'x'))
  const hand = new HandSource()
  const half = store.put('half', hand)
  half.catch(() => {})
  await hand.give('half')
  children[0]!.kill('SIGKILL')
  await assert.rejects(half, { code: 'IBT_STORE_FAILED' })
  await incrementalBackup(path, options)
  assert.equal(children.length, 2)
  assert.equal((await restoreBackup('key', join(base, 'out'), options)).files, 52)
  assert.ok(!(await names(store)).includes('half'))
  const ended = new Promise(resolve => children[1]!.on('exit', resolve))
  await store.close()
  assert.equal(await ended, 0)
})

test('a caller that is killed in the middle of a backup leaves the backups as they were', async t => {
  const { base, path } = source(t)
  const inner = directoryStore(join(base, 'store'))
  const ends: Promise<void>[] = []
  const server = await listen(socket => ends.push(serveStore(socket, inner)))
  const connectTo = () => connect(portOf(server), '127.0.0.1')
  const remote = await remoteStore(connectTo)
  const options = { store: remote, cache: false as const, key: 'key' }
  await fullBackup(path, options)
  const script = `
    import { connect } from 'node:net'
    import { remoteStore } from ${JSON.stringify(INDEX)}
    const store = await remoteStore(() => connect(+process.argv[1], '127.0.0.1'))
    await store.put('key.full.20260101T000000.000Z.tar', (async function * () {
      for (let i = 0; ; i++) {
        yield Buffer.alloc(100_000)
        if (i === 20) process.stdout.write('middle')
        await new Promise(resolve => setTimeout(resolve, 5))
      }
    })())`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, String(portOf(server))])
  t.after(() => child.kill())
  await new Promise(resolve => child.stdout.once('data', resolve))
  child.kill('SIGKILL')
  await new Promise(resolve => child.on('exit', resolve))
  await ends[1]
  assert.equal((await names(inner)).length, 3)
  await incrementalBackup(path, options)
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  await remote.close()
})

test('a peer that says nothing is left after the timeout; one that falls silent is taken as gone', async () => {
  const mute = await listen(() => {})
  const connectTo = (server: Server) => () => connect(portOf(server), '127.0.0.1')
  await assert.rejects(remoteStore(connectTo(mute), { timeoutMs: 30 }), { code: 'IBT_STORE_FAILED' })
  const server = await listen(socket => serveStore(socket, memoryStore()))
  let isSilent = false
  const proxy = await listen(near => {
    const far = connect(portOf(server), '127.0.0.1')
    near.on('data', chunk => isSilent || far.write(chunk)).on('close', () => far.destroy())
    far.on('data', chunk => isSilent || near.write(chunk)).on('close', () => near.destroy())
  })
  const store = await remoteStore(connectTo(proxy), { keepAliveMs: 1000 })
  opened.push(store)
  await store.put('name', [Buffer.from('x')])
  isSilent = true
  await assert.rejects(store.put('name', new HandSource()), { code: 'IBT_STORE_FAILED' })
})

test('a list with retention is asked for at the other end', async () => {
  const inner = memoryStore()
  const asked: (boolean | undefined)[] = []
  const { store } = await overTcp(
    wrapStore(inner, {
      async *list(prefix, options) {
        asked.push(options?.withRetention)
        for await (const stored of inner.list(prefix)) {
          yield options?.withRetention ? { ...stored, retainedUntilMs: 4e12 } : stored
        }
      }
    })
  )
  await store.put('name', [Buffer.from('bytes')])
  assert.deepEqual(await collect(store.list('')), [{ name: 'name', sizeBytes: 5 }])
  const retained = [{ name: 'name', sizeBytes: 5, retainedUntilMs: 4e12 }]
  assert.deepEqual(await collect(store.list('', { withRetention: true })), retained)
  assert.deepEqual(asked, [false, true])
})

test('what is cold is listed, and thawed at the other end if that is allowed', async () => {
  const inner = memoryStore()
  for (const name of ['cold', 'kept', 'warm']) await inner.put(name, [Buffer.from('bytes')])
  const thawed: string[] = []
  const frozen = wrapStore(inner, {
    async *list(prefix, options) {
      for await (const stored of inner.list(prefix, options)) {
        const cold = thawed.includes(stored.name) ? 'thawing' : 'frozen'
        if (stored.name === 'kept') yield { ...stored, retainedUntilMs: 4e12, cold }
        else yield stored.name === 'cold' ? { ...stored, cold } : stored
      }
    },
    thaw: async (name, options) => {
      for await (const _ of inner.get(name, undefined, options));
      thawed.push(name)
    }
  })
  const { store } = await overTcp(frozen)
  const listed = async () => (await collect(store.list())).map(({ name, cold }) => [name, cold])
  const before = [
    ['cold', 'frozen'],
    ['kept', 'frozen'],
    ['warm', undefined]
  ]
  assert.deepEqual(await listed(), before)
  assert.deepEqual(await collect(store.list('')), await collect(frozen.list('')))
  await store.thaw!('cold')
  await assert.rejects(store.thaw!('missing'), { code: 'IBT_NOT_FOUND' })
  assert.deepEqual((await listed())[0], ['cold', 'thawing'])
  assert.deepEqual(thawed, ['cold'])
  for (const allow of [READ_ONLY, APPEND_ONLY]) {
    assert.equal((await overTcp(frozen, { allow })).store.thaw, undefined)
  }
  assert.ok((await overTcp(frozen, { allow: [...READ_ONLY, 'thaw'] })).store.thaw)
})
