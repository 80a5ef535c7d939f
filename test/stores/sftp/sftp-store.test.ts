import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { storeConformance } from '../../../src/stores/conformance.js'
import { directoryStore } from '../../../src/stores/directory.js'
import { HandSource } from '../../../src/stores/hand-source.js'
import { type SftpStore, type SftpStoreOptions, sftpStore } from '../../../src/stores/sftp/index.js'
import type { Store } from '../../../src/types.js'
import { oracle } from '../../helpers/oracle.js'
import { SshServer, type SshServerOptions } from '../../helpers/ssh-server.js'
import { freePort } from '../../helpers/web-servers.js'

const withSshd = oracle('sshd', 'ssh', 'ssh-keygen')
const asRoot = userInfo().uid === 0 ? {} : { skip: 'only root mounts a file system' }

const base = mkdtempSync(join(tmpdir(), 'ibt-sftp-'))
const servers: SshServer[] = []
after(async () => {
  for (const server of servers) await server.stop()
  rmSync(base, { recursive: true, force: true })
})

let made = 0
const newPath = () => join(base, `${++made}`)

async function newServer(options?: SshServerOptions): Promise<SshServer> {
  const server = await SshServer.start(newPath(), options)
  servers.push(server)
  return server
}

const shared = new Map<string, Promise<SshServer>>()
/** One server for all tests that do not end it. */
function anyServer(sftp = ''): Promise<SshServer> {
  const server = shared.get(sftp) ?? newServer({ sftp })
  shared.set(sftp, server)
  return server
}

interface Made {
  readonly server: SshServer
  readonly path: string
  readonly store: SftpStore
}

async function makeStore(options: Partial<SftpStoreOptions> & { readonly server?: SshServer } = {}): Promise<Made> {
  const { server = await anyServer(), path = join(newPath(), 'with space', '%2F'), ...more } = options
  const store = sftpStore({ host: server.host, config: server.config, retryDelayMs: 50, ...more, path })
  return { server, path, store }
}

async function listed(store: Store): Promise<[string, number][]> {
  const found: [string, number][] = []
  for await (const { name, sizeBytes } of store.list()) found.push([name, sizeBytes])
  return found
}

const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function digestOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of source) hash.update(chunk)
  return hash.digest('hex')
}

/** Chunks of a large content. */
const LARGE = randomBytes(9 * 1024 * 1024 + 12_345)
const largeChunks = Array.from({ length: 10 }, (_, i) => LARGE.subarray(i << 20, (i + 1) << 20))

const failed = { code: 'IBT_STORE_FAILED' }

// One connection for each store, so each is closed.
const teardown = (store: Store) => (store as SftpStore).close()
if (withSshd.skip === undefined) {
  const makeOn = (sftp?: string) => async () => (await makeStore({ server: await anyServer(sftp) })).store
  storeConformance('sftpStore', makeOn(), { test, teardown })
  const bare = '-P posix-rename,hardlink,fsync,limits,statvfs'
  storeConformance('sftpStore of a server without extensions', makeOn(bare), { test, teardown })
}

test('sends many requests at a time: a large content comes back whole', withSshd, async () => {
  const { store, path } = await makeStore()
  await store.put('large', largeChunks)
  assert.equal(digest(readFileSync(join(path, 'large'))), digest(LARGE))
  assert.equal(await digestOf(store.get('large')), digest(LARGE))
  const [start, end] = [1_048_575, 5_242_881]
  assert.equal(await digestOf(store.get('large', { start, end })), digest(LARGE.subarray(start, end)))
  store.close()
})

test('the directory is made for its owner only, and so are files', withSshd, async () => {
  const { store, path } = await makeStore()
  assert.deepEqual(await listed(store), [])
  assert.equal(existsSync(path), false)
  await Promise.all(['a', 'b', 'c'].map(name => store.put(name, [Buffer.from('x')])))
  assert.equal(statSync(path).mode & 0o777, 0o700)
  assert.equal(statSync(join(path, 'a')).mode & 0o777, 0o600)
  await store.create('d', Buffer.from('x'))
  assert.equal(statSync(join(path, 'd')).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(path).sort(), ['a', 'b', 'c', 'd'])
  store.close()
})

test('lists 1,200 names of a directory, but not what is no file of a store', withSshd, async () => {
  const { store, path } = await makeStore()
  mkdirSync(join(path, 'directory'), { recursive: true })
  const names = Array.from({ length: 1200 }, (_, i) => `name-${i}`)
  for (const name of [...names, '.hidden', 'replaced \ufffd']) writeFileSync(join(path, name), name)
  writeFileSync(Buffer.concat([Buffer.from(`${path}/bad `), Buffer.from([0xff])]), 'x')
  symlinkSync('name-7', join(path, 'link'))
  symlinkSync('nowhere', join(path, 'dangling'))
  const expected = [...names, 'replaced \ufffd', 'link'].sort().map(name => [name, Buffer.byteLength(name)])
  const found = await listed(store)
  assert.equal(found.find(([name]) => name === 'link')?.[1], 'name-7'.length)
  assert.deepEqual(
    found.map(([name]) => name),
    expected.map(([name]) => name)
  )
  store.close()
})

test('shares one connection, and makes another one when that broke', withSshd, async () => {
  const { store, server } = await makeStore({ server: await newServer() })
  await Promise.all(['a', 'b', 'c'].map(name => store.put(name, [Buffer.from('x')])))
  assert.equal(server.connections, 1)
  server.kill()
  await Promise.all([store.put('d', [Buffer.from('x')]), listed(store), store.delete('a')])
  assert.equal(server.connections, 2)
  assert.equal((await listed(store)).length, 3)
  store.close()
})

test('a get goes on at the byte where the connection broke', withSshd, async () => {
  const { store, server } = await makeStore({ server: await newServer() })
  await store.put('large', largeChunks)
  const hash = createHash('sha256')
  let chunks = 0
  for await (const chunk of store.get('large')) {
    hash.update(chunk)
    if (++chunks % 3 === 1) server.kill()
  }
  assert.equal(hash.digest('hex'), digest(LARGE))
  assert.ok(server.connections > 3)
  store.close()
})

test('a get does not go on in another content', withSshd, async () => {
  const { store, server } = await makeStore({ server: await newServer() })
  await store.put('large', largeChunks)
  const reading = (async () => {
    for await (const _ of store.get('large')) {
      server.kill()
      await store.put('large', largeChunks.slice(1))
    }
  })()
  await assert.rejects(reading, { ...failed, message: /was replaced while it was read/ })
  store.close()
})

test('a put whose connection breaks publishes nothing, and cleaning removes what it left', withSshd, async () => {
  const { store, server, path } = await makeStore({ server: await newServer() })
  const name = 'key.full.20260101T000000.000Z.tar'
  await store.put('old', [Buffer.from('old')])
  const source = new HandSource()
  const putting = store.put(name, source)
  putting.catch(() => {})
  await source.give('half')
  server.kill()
  await assert.rejects(putting, failed)
  assert.deepEqual(await listed(store), [['old', 3]])
  assert.equal(readdirSync(path).length, 2)
  assert.equal(await store.clean('other'), 0)
  assert.equal(await store.clean('key'), 1)
  assert.deepEqual(readdirSync(path), ['old'])
  await store.put(name, [Buffer.from('whole')])
  store.close()
})

test('a server that comes back is found, one that does not is an error', withSshd, async () => {
  // Nobody else is given it meanwhile.
  const port = await freePort()
  const { store, server } = await makeStore({ server: await newServer({ port }), retries: 3 })
  await store.put('name', [Buffer.from('x')])
  await server.stop()
  await assert.rejects(listed(store), failed)
  const listing = listed(store)
  await server.listen(port)
  assert.deepEqual(await listing, [['name', 1]])
  store.close()
})

test('an abort ends a call although the server is silent, and nothing is written after it', withSshd, async () => {
  const { store, server, path } = await makeStore({ server: await newServer() })
  await store.put('name', largeChunks)
  server.kill('SIGSTOP')
  const signal = AbortSignal.timeout(100)
  const calls = [
    store.delete('name', { signal }),
    store.put('other', [Buffer.from('x')], { signal }),
    digestOf(store.get('name', undefined, { signal }))
  ]
  await Promise.all(calls.map(call => assert.rejects(call, error => error === signal.reason)))
  server.kill('SIGCONT')
  for (let i = 0; i < 3; i++) assert.equal((await listed(store)).length, 1)
  assert.deepEqual(readdirSync(path), ['name'])
  store.close()
})

test('an error of the server is told with its code and leaves nothing', withSshd, async () => {
  const readOnly = await makeStore({ server: await newServer({ sftp: '-R' }) })
  mkdirSync(readOnly.path, { recursive: true })
  writeFileSync(join(readOnly.path, 'name'), 'x')
  const isDenied = (error: unknown) => {
    const { code, cause } = error as { readonly code: string; readonly cause: { readonly code: string } }
    return code === 'IBT_STORE_FAILED' && cause.code === 'EACCES'
  }
  await assert.rejects(readOnly.store.put('other', [Buffer.from('x')]), isDenied)
  await assert.rejects(readOnly.store.create('other', Buffer.from('x')), isDenied)
  await assert.rejects(readOnly.store.delete('name'), isDenied)
  assert.deepEqual(await listed(readOnly.store), [['name', 1]])
  readOnly.store.close()

  const path = newPath()
  writeFileSync(path, '')
  const { store } = await makeStore({ path: join(path, 'in') })
  await assert.rejects(store.put('name', [Buffer.from('x')]), failed)
  store.close()
})

test('a full disk is named, and nothing is left on it', { ...withSshd, ...asRoot }, async t => {
  const path = mountSmall(t, 2)
  if (path === undefined) return t.skip('this user may not mount a file system here')
  const { store } = await makeStore({ path })
  await store.put('name', [Buffer.from('x')])
  const isFull = (error: unknown) => (error as { readonly cause: { readonly code: string } }).cause.code === 'ENOSPC'
  await assert.rejects(store.put('large', largeChunks), isFull)
  assert.deepEqual(readdirSync(path), ['name'])
  await store.put('other', [Buffer.from('x')])
  store.close()
})

function mountSmall(t: TestContext, megabytes: number): string | undefined {
  const path = newPath()
  mkdirSync(path)
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path])
  if (status !== 0) return undefined
  t.after(() => spawnSync('umount', ['-l', path]))
  return path
}

test('what directoryStore retains in the same directory is retained, and the other way round', withSshd, async () => {
  const { store, path } = await makeStore()
  const local = directoryStore(path)
  const untilMs = Date.now() + 60_000
  await local.put('a', [Buffer.from('x')])
  await local.retain('a', untilMs)
  await store.put('b', [Buffer.from('x')])
  await store.retain('b', untilMs)
  await assert.rejects(store.delete('a'), { code: 'IBT_RETAINED' })
  await assert.rejects(local.delete('b'), { code: 'IBT_RETAINED' })
  assert.equal(statSync(join(path, 'b')).mode & 0o777, 0o400)
  const times: (number | undefined)[] = []
  for await (const { retainedUntilMs } of store.list()) times.push(retainedUntilMs)
  assert.deepEqual(times, [untilMs, untilMs])
  store.close()
})

test('a connection that nobody uses does not keep the process alive', withSshd, async () => {
  const server = await anyServer()
  const module = import.meta.resolve('../../../src/stores/sftp/index.js')
  const options = { host: server.host, config: server.config, path: newPath() }
  const script = `
    import { sftpStore } from ${JSON.stringify(module)}
    const store = sftpStore(${JSON.stringify(options)})
    await store.put('name', [Buffer.from('x')])
    for await (const { name } of store.list()) console.log(name)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  const stdout = child.stdout.setEncoding('utf8').toArray()
  const [status] = await once(child, 'exit')
  assert.equal(status, 0)
  assert.equal((await stdout).join(''), 'name\n')
})

test('an address that ssh could take for an option or a command is refused at the call', () => {
  const path = '/backups'
  for (const options of [{ host: '-oProxyCommand=x' }, { host: 'a b' }, { host: "a'b" }, { host: 'a', username: '-x' }])
    assert.throws(() => sftpStore({ path, ...options }), RangeError)
  for (const options of [{ host: '' }, { host: undefined }])
    assert.throws(() => sftpStore({ path, ...options } as never), TypeError)
  assert.throws(() => sftpStore({ host: 'a', path: '' }), TypeError)
  assert.throws(() => sftpStore({ host: 'a', path, port: 0 }), RangeError)
})
