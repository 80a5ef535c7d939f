import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { storeConformance } from '../../src/stores/conformance.js'
import { HandSource } from '../../src/stores/hand-source.js'
import { storeFromUrl } from '../../src/stores/index.js'
import { type WebdavStoreOptions, webdavStore } from '../../src/stores/webdav/index.js'
import type { Store } from '../../src/types.js'
import { Desk, type Ended } from '../helpers/desk.js'
import { assertSameTree } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { startDav, startHttp, type WebServer } from '../helpers/web-servers.js'

const withApache = oracle('apache2')

const base = mkdtempSync(join(tmpdir(), 'ibt-dav-'))
chmodSync(base, 0o755)
const root = join(base, 'root')
let server: WebServer
before(async () => {
  if (withApache.skip === undefined) server = await startDav(root, join(base, 'work'))
})
after(async () => {
  await server?.close()
  rmSync(base, { recursive: true, force: true })
})

let made = 0
function makeStore(options: Partial<WebdavStoreOptions> = {}) {
  const directory = `store-${++made}`
  const url = `${server.url}${directory}/with%20space/%252F`
  return { store: webdavStore({ url, retryDelayMs: 20, ...options }), path: join(root, directory, 'with space/%2F') }
}

async function listed(store: Store): Promise<[string, number][]> {
  const found: [string, number][] = []
  for await (const { name, sizeBytes } of store.list()) found.push([name, sizeBytes])
  return found
}

async function digestOf(source: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of source) hash.update(chunk)
  return hash.digest('hex')
}

if (withApache.skip === undefined) storeConformance('webdavStore', () => makeStore().store, { test })

test('a large content of unknown length is sent while it is made, and comes back whole', withApache, async () => {
  const { store, path } = makeStore()
  const content = randomBytes(9_000_001)
  const chunks = Array.from({ length: 9 }, (_, i) => content.subarray(i << 20, (i + 1) << 20))
  await store.put('large', chunks)
  assert.equal(await digestOf(store.get('large')), createHash('sha256').update(content).digest('hex'))
  assert.deepEqual(readFileSync(join(path, 'large')), content)
})

test('lists 1,200 names, also those that look like numbers or markup, and no directory', withApache, async () => {
  const { store, path } = makeStore()
  await store.put('first', [Buffer.from('first')])
  mkdirSync(join(path, 'directory'))
  const odd = ['007', '1e3', 'true', '&amp;', '<a>', '100%', 'a+b', '~']
  const names = [...Array.from({ length: 1200 }, (_, i) => `name-${i}`), ...odd]
  for (const name of names) writeFileSync(join(path, name), name)
  const found = new Map(await listed(store))
  assert.deepEqual([...found.keys()].sort(), [...names, 'first'].sort())
  for (const name of names) assert.equal(found.get(name), name.length)
})

test('a put that fails leaves nothing, and what a killed run has left is cleaned', withApache, async () => {
  const { store, path } = makeStore()
  const name = 'key.full.20260101T000000.000Z.tar'
  const source = new HandSource()
  const controller = new AbortController()
  const putting = store.put(name, source, { signal: controller.signal })
  putting.catch(() => {})
  await source.give('half')
  controller.abort(new Error('Enough'))
  await assert.rejects(putting, { message: 'Enough' })
  assert.deepEqual(readdirSync(path), [])
  writeFileSync(join(path, `.${name}.0123456789abcdef.tmp`), 'half')
  assert.equal(await store.clean('other'), 0)
  assert.equal(await store.clean('key'), 1)
  assert.deepEqual(readdirSync(path), [])
})

test('what may pass is tried again, but for a put; what is refused has its status', async t => {
  const asked: string[] = []
  const answers = await startHttp((request, response) => {
    asked.push(request.method!)
    const statuses: Readonly<Record<string, number>> = { DELETE: asked.length < 3 ? 503 : 204, MKCOL: 405, PUT: 507 }
    request.resume().on('end', () => response.writeHead(statuses[request.method!] ?? 401).end())
  })
  t.after(() => answers.close())
  const store = webdavStore({ url: answers.url, headers: {}, retryDelayMs: 1 })
  await store.delete('name')
  assert.deepEqual(asked.splice(0), ['DELETE', 'DELETE', 'DELETE'])
  await assert.rejects(store.put('name', [Buffer.from('x')]), error => /507/.test(String((error as Error).cause)))
  assert.deepEqual(asked.splice(0), ['MKCOL', 'PUT', 'DELETE'])
  await assert.rejects(listed(store), error => /401.*netrc/.test(String((error as Error).cause)))
})

test('a server that is silent is given up', async t => {
  const silent = await startHttp((request, response) => {
    if (request.method === 'MKCOL') response.writeHead(405).end()
  })
  t.after(() => silent.close())
  const store = webdavStore({ url: silent.url, headers: {}, timeoutMs: 100, retries: 1, retryDelayMs: 1 })
  const isLate = (error: unknown) => /within 100 ms/.test(String((error as Error).cause))
  await assert.rejects(listed(store), isLate)
  let taken = 0
  const large = (function* () {
    for (; taken < 100; taken++) yield Buffer.alloc(1_048_576)
  })()
  await assert.rejects(store.put('name', large), { code: 'IBT_STORE_FAILED' })
  assert.ok(taken < 30, `${taken} MiB were taken from the source`)
})

test('a URL names a store, and ibt backs up to it, restores and prunes', { ...oracle('apache2', 'rsync') }, async t => {
  const desk = new Desk(t)
  const store = `${server.url.replace(/^http/, 'webdav')}cli/backups`
  assert.equal(storeFromUrl(store).create, undefined)
  const ibt = async (...args: string[]): Promise<Ended> => {
    const ended = await desk.start([...args, '--store', store]).ended
    assert.equal(ended.status, 0, ended.stderr)
    return ended
  }
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/large'), Buffer.alloc(3_000_000, 'abc'))
  await ibt('full', 'src')
  writeFileSync(desk.at('src/other'), 'text')
  await ibt('incremental', 'src')
  await ibt('restore', 'src', 'out')
  assertSameTree(desk.at('out'), desk.at('src'))
  assert.equal((await ibt('cat', 'src', 'other')).stdout, 'text')
  await ibt('full', 'src')
  await ibt('prune', 'src', '--keep-last', '1', '--grace', '0')
  assert.equal(readdirSync(join(root, 'cli/backups')).filter(name => /^src\.state/.test(name)).length, 1)
})
