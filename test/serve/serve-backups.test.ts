import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { createServer, get } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { age } from '../../src/age/index.js'
import {
  comparePaths,
  type Entry,
  fullBackup,
  incrementalBackup,
  restoreBackup,
  type ServeOptions,
  type Store,
  serveBackups
} from '../../src/index.js'
import { httpStore } from '../../src/stores/http/index.js'
import { memoryStore, wrapStore } from '../../src/stores/index.js'
import { countingStore } from '../helpers/counting-store.js'
import { collect } from '../helpers/entries.js'
import { assertSameTree, copyTree } from '../helpers/judges.js'
import { makeKeyPair } from '../helpers/keys.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const execute = promisify(execFile)

async function serve(t: TestContext, options: ServeOptions): Promise<string> {
  const { handle } = serveBackups({ cache: false, ...options })
  const server = createServer(handle).listen(0, '127.0.0.1')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function curl(...args: string[]): Promise<Buffer> {
  const { stdout } = await execute('curl', ['-sS', '--path-as-is', '-g', ...args], {
    encoding: 'buffer',
    maxBuffer: 1 << 28
  })
  return stdout
}

/** Status, headers and body. */
async function head(...args: string[]): Promise<{ status: number; headers: Map<string, string>; body: Buffer }> {
  const all = await curl('-i', ...args)
  const end = all.indexOf('\r\n\r\n')
  const text = all.toString('latin1', 0, end)
  const [first, ...lines] = text.trim().split('\r\n')
  const headers = lines.map(
    line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 2)] as const
  )
  return { status: Number(first!.split(' ')[1]), headers: new Map(headers), body: all.subarray(end + 4) }
}

interface Item {
  readonly path: string
  readonly type: string
  readonly sizeBytes?: number
  readonly href: string
}

async function list(url: string): Promise<Item[]> {
  return JSON.parse((await curl('-f', `${url}?format=json`)).toString('utf8'))
}

const ODD = [
  'a b',
  'é',
  'line\nfeed',
  '"quoted"',
  "it's; x=y",
  '<script>alert(1)',
  '100%',
  '#?&',
  '..name',
  '\u{1f600}',
  'back\\slash'
]

function oddTree(t: TestContext): { readonly base: string; readonly source: string } {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(join(source, 'sub/deep'), { recursive: true })
  for (const name of ODD) writeFileSync(join(source, name), `content of ${name}`)
  writeFileSync(Buffer.concat([Buffer.from(`${source}/sub/`), Buffer.from([0x61, 0xff])]), 'not UTF-8')
  writeFileSync(join(source, 'sub/deep/empty'), '')
  symlinkSync('deep/empty', join(source, 'sub/link'))
  mkdirSync(join(source, 'sub/<b>'))
  return { base, source }
}

test('curl gets every file by the links, whatever its name', oracle('curl'), async t => {
  const { source } = oddTree(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  const url = await serve(t, { store })
  const [key] = JSON.parse((await curl(`${url}/?format=json`)).toString())
  assert.deepEqual(key, { key: 'key', states: 1, href: '/key/' })
  const [date] = JSON.parse((await curl('-H', 'Accept: application/json', url + key.href)).toString())
  assert.equal(date.kind, 'full')
  let files = 0
  const visit = async (href: string, directory: Buffer): Promise<void> => {
    const page = (await curl('-f', url + href)).toString('utf8')
    assert.doesNotMatch(page, /<script|<b>/)
    for (const { type, href: link } of await list(url + href)) {
      const part = link.split('/').filter(Boolean).at(-1)!
      const name = Buffer.from(
        part.replace(/%(..)/g, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
        'latin1'
      )
      const path = Buffer.concat([directory, Buffer.from('/'), name])
      if (type === 'directory') await visit(link, path)
      if (type === 'symlink') assert.equal((await head(url + link)).status, 404)
      if (type !== 'file') continue
      files++
      assert.ok(page.includes(`href="${link}"`), link)
      const wanted = readFileSync(path)
      const { headers, body } = await head(url + link)
      assert.ok(body.equals(wanted), link)
      assert.equal(headers.get('content-length'), String(wanted.length))
      assert.match(
        headers.get('content-disposition')!,
        /^attachment; filename="[ !#-~]+"; filename\*=UTF-8''[\w.%~!-]+$/
      )
      assert.match(headers.get('content-security-policy')!, /sandbox/)
      assert.equal(headers.get('x-content-type-options'), 'nosniff')
    }
  }
  await visit(date.href, Buffer.from(source))
  assert.equal(files, ODD.length + 2)
  // curl saves it under the name that the header says.
  const download = temporaryDirectory(t)
  await execute('curl', ['-sSOJ', '--output-dir', download, `${url}/key/latest/a%20b`])
  assert.deepEqual(readdirSync(download), ['a b'])
})

test('ranges, conditions and HEAD are answered as HTTP has them', oracle('curl'), async t => {
  const { source } = oddTree(t)
  const store = memoryStore()
  const random = createRandom(3)
  writeFileSync(join(source, 'large'), random.bytes(8_500_000))
  writeFileSync(join(source, 'middle'), random.bytes(100_000))
  await fullBackup(source, { store, cache: false, key: 'key' })
  const before = readFileSync(join(source, 'large'))
  appendFileSync(join(source, 'large'), 'the end')
  writeFileSync(join(source, 'middle'), 'other')
  const { date } = await incrementalBackup(source, { store, cache: false, key: 'key' })
  const url = await serve(t, { store })
  const [oldest] = JSON.parse((await curl(`${url}/key/?format=json`)).toString())
  const contents = [
    [`${url}/key/${oldest.date}/large`, before],
    [`${url}/key/${date}/large`, readFileSync(join(source, 'large'))],
    [`${url}/key/latest/middle`, Buffer.from('other')],
    [
      `${url}/~store/key.full.${oldest.date}.tar.zst`,
      Buffer.concat(await collect(store.get(`key.full.${oldest.date}.tar.zst`)))
    ]
  ] as const
  for (const [link, bytes] of contents) {
    const { length } = bytes
    assert.ok((await curl('-f', link)).equals(bytes), link)
    for (const [range, start, end] of [
      ['0-0', 0, 1],
      ['-2', length - 2, length],
      [`${length - 1}-`, length - 1, length],
      [`${length >> 1}-${(length >> 1) + 70_000}`, length >> 1, Math.min(length, (length >> 1) + 70_001)],
      [`2-${length * 2}`, 2, length]
    ] as const) {
      const { status, headers, body } = await head('-r', range, link)
      assert.ok(body.equals(bytes.subarray(start, end)), `${link} ${range}`)
      assert.equal(status, 206)
      assert.equal(headers.get('content-range'), `bytes ${start}-${end - 1}/${length}`)
      assert.equal(headers.get('content-length'), String(end - start))
    }
    const { headers } = await head(link)
    const tag = headers.get('etag')!
    assert.equal((await head('-H', `If-None-Match: "x", ${tag}`, link)).status, 304)
    assert.equal((await head('-H', `If-Range: ${tag}`, '-r', '0-1', link)).status, 206)
    assert.equal((await head('-H', 'If-Range: "other"', '-r', '0-1', link)).status, 200)
    const behind = await head('-r', `${length}-`, link)
    assert.equal(behind.status, 416)
    assert.equal(behind.headers.get('content-range'), `bytes */${length}`)
    assert.equal((await head('-H', 'Range: bytes=0-1,3-4', link)).status, 200)
    assert.equal((await head('-H', 'Range: lines=0-1', link)).status, 200)
  }
  // A download that was cut goes on.
  const path = join(temporaryDirectory(t), 'large')
  writeFileSync(path, before.subarray(0, 7_000_000))
  await execute('curl', ['-sS', '-f', '-C', '-', '-o', path, contents[0][0]])
  assert.ok(readFileSync(path).equals(before))
})

test('a folder of any date comes as a tar', oracle('curl', 'tar', 'rsync'), async t => {
  const { base, source } = oddTree(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  copyTree(source, join(base, 'before'))
  renameSync(join(source, 'sub/deep'), join(source, 'sub/moved'))
  writeFileSync(join(source, 'sub/new'), 'new')
  await incrementalBackup(source, { store, cache: false, key: 'key' })
  const url = await serve(t, { store })
  const [first, second] = JSON.parse((await curl(`${url}/key/?format=json`)).toString())
  for (const [{ date }, wanted] of [
    [first, join(base, 'before')],
    [second, source]
  ] as const) {
    const out = join(base, `out-${date}`)
    mkdirSync(out)
    const tar = join(base, 'tar')
    writeFileSync(tar, await curl('-f', `${url}/key/${date}/?format=tar`))
    await execute('tar', ['-xpf', tar, '-C', out])
    assertSameTree(out, wanted)
    writeFileSync(tar, await curl('-f', `${url}/key/${date}/sub/?format=tar`))
    const part = join(base, `part-${date}`)
    mkdirSync(part)
    await execute('tar', ['-xpf', tar, '-C', part])
    assertSameTree(join(part, 'sub'), join(wanted, 'sub'))
    assert.deepEqual(readdirSync(part), ['sub'])
  }
})

test('nobody without the token, by another name or with another method gets anything', oracle('curl'), async t => {
  const { source } = oddTree(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  const url = await serve(t, { store, token: 'secret word' })
  const status = async (...args: string[]) => (await head(...args, `${url}/key/latest/a%20b`)).status
  assert.equal(await status(), 401)
  assert.equal(await status('-u', 'any:secret wor'), 401)
  assert.equal(await status('-u', 'any:secret word'), 200)
  assert.equal(await status('-u', 'any:'), 401)
  assert.equal(await status('-H', 'Authorization: Bearer secret'), 401)
  assert.equal(await status('-H', 'Authorization: Digest secret word'), 401)
  const key = ['-u', ':secret word']
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil', '', '169.254.1.1:80']) {
    assert.notEqual(await status(...key, '-H', `Host: ${host}`), 200, host)
  }
  for (const host of ['localhost', 'LOCALHOST:1', '[::1]:80', '127.0.0.1']) {
    assert.equal(await status(...key, '-H', `Host: ${host}`), 200, host)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) assert.equal(await status(...key, '-X', method), 405)
  const refused = await head(url)
  assert.match(refused.headers.get('www-authenticate')!, /^Basic realm/)
  assert.equal(refused.headers.get('access-control-allow-origin'), undefined)
  const bearer = await serve(t, { store, token: 'abc', hosts: 'any', keys: ['other'] })
  assert.equal((await head('-H', 'Authorization: bearer abc', '-H', 'Host: any.example', `${bearer}/`)).status, 200)
  assert.equal((await head('-H', 'Authorization: Bearer abc', `${bearer}/key/`)).status, 404)
  assert.equal((await curl('-H', 'Authorization: Bearer abc', `${bearer}/~store/?format=json`)).toString(), '[\n]\n')
})

test('no path leads out of the backups', oracle('curl'), async t => {
  const { source } = oddTree(t)
  const directory = temporaryDirectory(t)
  const store = join(directory, 'store')
  await fullBackup(source, { store, cache: false, key: 'key' })
  writeFileSync(join(directory, 'secret'), 'secret')
  writeFileSync(join(store, 'secret'), 'secret')
  const url = await serve(t, { store })
  for (const path of [
    ...['/../secret', '/%2e%2e/secret', '/key/latest/../../../secret', '/key/latest/sub/..', '/key/latest/%2e%2e'],
    ...[
      '/key/latest/sub%2Fdeep/empty',
      '/key/latest/sub//deep',
      '/~store/..%2Fsecret',
      '/~store/secret',
      '/~store/../secret'
    ],
    ...[
      '/key/latest/a%00b',
      '/key/latest/%',
      '/key/latest/%zz',
      '/..%2fkey/latest/',
      '/key%00/',
      '//key/latest/',
      '/key/nonsense/'
    ],
    ...[
      '/none/',
      '/key/latest/none',
      '/key/1970-01-01/',
      '/~store/key.full',
      '/key/latest/a%20b/more',
      `/${'x'.repeat(7000)}/`
    ]
  ]) {
    const { status, headers } = await head(url + path)
    assert.equal(status, 404, path)
    assert.match(headers.get('content-type')!, /^text\/plain/)
  }
  const slash = await head(`${url}/key/latest/sub?x=1`)
  assert.deepEqual([slash.status, slash.headers.get('location')], [308, '/key/latest/sub/?x=1'])
})

test('a large directory is listed without all that is in its directories', oracle('curl'), async t => {
  const top = ['a', 'm', 'z', 'a-file', 'a0', 'b', 'm\u0001', 'm.x', 'zz']
  const paths = ['a', 'm', 'z'].flatMap(name => [
    `${name}/sub`,
    ...Array.from({ length: 4500 }, (_, i) => `${name}/sub/${i}`)
  ])
  const directories = new Set(['.', 'a', 'm', 'z', 'a/sub', 'm/sub', 'z/sub'])
  const entries = ['.', ...top, ...paths].sort(comparePaths).map((path): Entry => {
    const metadata = { path, mode: 0o755, uid: 0, gid: 0, mtimeNs: 0n }
    if (directories.has(path)) return { ...metadata, type: 'directory' }
    return { ...metadata, type: 'fifo' }
  })
  const store = memoryStore()
  await fullBackup(temporaryDirectory(t), { store, cache: false, key: 'key', stages: { walk: entries } })
  const url = await serve(t, { store })
  const names = (await list(`${url}/key/latest/`)).map(({ path }) => path)
  assert.deepEqual(names, top.toSorted(comparePaths))
  const below = (await list(`${url}/key/latest/m/`)).map(({ path }) => path)
  assert.deepEqual(below, ['m/sub'])
  assert.equal((await list(`${url}/key/latest/m/sub/`)).length, 4500)
})

/** A store whose archives wait until they are let go, and that knows of every abort. */
function waitingStore(store: Store) {
  let [opened, closed] = [0, 0]
  let wake = () => {}
  const isFree = new Promise<void>(resolve => {
    wake = resolve
  })
  const waiting = wrapStore(store, {
    async *get(name, range, options) {
      if (!name.includes('.full.')) yield* store.get(name, range, options)
      else {
        opened++
        try {
          await Promise.race([
            isFree,
            new Promise((_, reject) => options?.signal?.addEventListener('abort', () => reject(options.signal?.reason)))
          ])
          yield* store.get(name, range, options)
        } finally {
          closed++
        }
      }
    }
  })
  return { store: waiting, counts: () => ({ opened, closed }), free: wake }
}

test('a client that goes away ends the work, and too many are refused', async t => {
  const { source } = oddTree(t)
  const inner = memoryStore()
  await fullBackup(source, { store: inner, cache: false, key: 'key' })
  const { store, counts, free } = waitingStore(inner)
  const url = await serve(t, { store, maxRequests: 2 })
  const ask = () => {
    const request = get(`${url}/key/latest/a%20b`, { agent: false })
    request.on('error', () => {})
    return request
  }
  const [one, two] = [ask(), ask()]
  while (counts().opened < 2) await setTimeout(5)
  const refused = await fetch(`${url}/`)
  assert.equal(refused.status, 503)
  assert.equal(refused.headers.get('retry-after'), '5')
  one.destroy()
  while (counts().closed < 1 || (await fetch(`${url}/`)).status === 503) await setTimeout(5)
  assert.equal((await fetch(`${url}/`)).status, 200)
  const answered = once(two, 'response')
  free()
  const [response] = await answered
  assert.equal(Buffer.concat(await collect(response)).toString(), 'content of a b')
})

test('a content that is damaged does not come as a whole one', oracle('curl'), async t => {
  const { source } = oddTree(t)
  const store = memoryStore()
  writeFileSync(join(source, 'large'), createRandom(5).bytes(9_000_000))
  await fullBackup(source, { store, cache: false, key: 'key' })
  const [name] = (await collect(store.list('key.full'))).map(({ name }) => name)
  const bytes = Buffer.concat(await collect(store.get(name!)))
  bytes[4_000_000]! ^= 1
  await store.put(name!, [bytes])
  const url = await serve(t, { store })
  await assert.rejects(curl('-f', `${url}/key/latest/large`), { code: 18 })
  await assert.rejects(curl('-f', `${url}/key/latest/?format=tar`), { code: 18 })
  assert.equal((await curl('-f', `${url}/key/latest/a%20b`)).toString(), 'content of a b')
  await store.delete(name!)
  const gone = await head(`${url}/key/latest/?format=json`)
  assert.equal(gone.status, 200)
})

test('what is served restores as a store of a web server', oracle('rsync'), async t => {
  const { base, source } = oddTree(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  writeFileSync(join(source, 'more'), createRandom(1).bytes(300_000))
  await incrementalBackup(source, { store, cache: false, key: 'key' })
  const url = await serve(t, { store, token: 'abc' })
  const there = httpStore({ url: `${url}/~store/`, headers: { authorization: 'Bearer abc' } })
  await restoreBackup('key', join(base, 'out'), { store: there, cache: false })
  assertSameTree(join(base, 'out'), source)
  assert.ok(statSync(join(base, 'out/more')).size === 300_000)
})

test('a framework may cut the path at which it mounts the handler off the URL, as Express does', async t => {
  const { source } = oddTree(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  const { handle } = serveBackups({ store, cache: false, base: '/backups' })
  const server = createServer((request, response) => {
    const { url = '' } = request
    void handle(Object.assign(request, { originalUrl: url, url: url.replace('/backups', '') }), response)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close().closeAllConnections())
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/backups`
  const answer = await fetch(`${url}/key/latest/a%20b`, { headers: { range: 'bytes=0-6' } })
  assert.deepEqual([answer.status, await answer.text()], [206, 'content'])
  assert.match(await (await fetch(`${url}/key/`)).text(), /href="\/backups\/key\//)
})

test('a framework mounts it with the classes of the web', async t => {
  const { source } = oddTree(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  const { fetch: answer } = serveBackups({ store, cache: false, base: '/backups', hosts: ['my.example'] })
  const ask = (path: string, init?: RequestInit) => answer(new Request(`https://my.example${path}`, init))
  const [key] = (await (await ask('/backups/?format=json')).json()) as { href: string }[]
  assert.equal(key!.href, '/backups/key/')
  const file = await ask('/backups/key/latest/a%20b', { headers: { range: 'bytes=0-6' } })
  assert.equal(file.status, 206)
  assert.equal(await file.text(), 'content')
  assert.equal((await ask('/backupsx/key/')).status, 404)
  assert.equal((await ask('/key/')).status, 404)
  assert.equal((await answer(new Request('https://evil.example/backups/'))).status, 421)
  const page = await (await ask('/backups/key/latest/sub/')).text()
  assert.match(page, /href="\/backups\/key\/latest\/"/)
  assert.throws(() => serveBackups({ base: '/x/' }), RangeError)
  assert.throws(() => serveBackups({ token: '' }), RangeError)
})

/** A store that remembers the prefix of each list. */
function listingStore(inner: Store): { readonly store: Store; readonly lists: string[] } {
  const lists: string[] = []
  const store = wrapStore(inner, {
    list(prefix = '', options) {
      lists.push(prefix)
      return inner.list(prefix, options)
    }
  })
  return { store, lists }
}

test('one list of the store serves many requests, and a new backup appears all the same', async t => {
  const { source } = oddTree(t)
  const inner = memoryStore()
  const first = await fullBackup(source, { store: inner, cache: false, key: 'key' })
  const { store, lists } = listingStore(inner)
  const url = await serve(t, { store, listMs: 600_000 })
  const status = async (path: string) => {
    const answer = await fetch(url + path)
    await answer.arrayBuffer()
    return answer.status
  }
  const paths = ['', 'latest/', 'latest/a%20b', 'latest/sub/?format=tar', `${first.date}/a%20b`].map(
    path => `/key/${path}`
  )
  for (let i = 0; i < 3; i++) {
    for (const found of await Promise.all(paths.map(status))) assert.equal(found, 200)
  }
  assert.deepEqual(lists, ['key.'])
  writeFileSync(join(source, 'new'), 'new')
  const second = await incrementalBackup(source, { store: inner, cache: false, key: 'key' })
  // By its date, or by what only it has, it is found at once.
  assert.equal(await status(`/key/${second.date}/new`), 200)
  assert.equal(await status('/key/latest/new'), 200)
  writeFileSync(join(source, 'newer'), 'newer')
  await incrementalBackup(source, { store: inner, cache: false, key: 'key' })
  assert.equal(await status('/key/latest/newer'), 200)
  assert.deepEqual(lists, Array(3).fill('key.'))
  assert.equal(await status('/key/latest/newest'), 404)
  // What was listed may be gone.
  for (const { name } of await collect(inner.list('key.'))) if (!name.includes(first.date)) await inner.delete(name)
  assert.equal(await status('/key/latest/a%20b'), 200)
  // A short time passes by itself, and a list that fails is never used again.
  let isBroken = true
  const broken = wrapStore(inner, {
    async *list(prefix, options) {
      if (isBroken) throw new Error('Not now')
      yield* inner.list(prefix, options)
    }
  })
  const other = await serve(t, { store: broken, listMs: 600_000 })
  assert.equal((await fetch(`${other}/`)).status, 500)
  isBroken = false
  assert.equal((await fetch(`${other}/`)).status, 200)
  const each = listingStore(inner)
  const fresh = await serve(t, { store: each.store, listMs: 0 })
  for (let i = 0; i < 3; i++) assert.equal((await fetch(`${fresh}/`)).status, 200)
  assert.equal(each.lists.length, 3)
  assert.throws(() => serveBackups({ store: inner, listMs: -1 }), RangeError)
})

test('what is missing to read a backup is named, and with the identity ranges are read through age', async t => {
  const { source } = oddTree(t)
  const random = createRandom(3)
  writeFileSync(join(source, 'large'), random.bytes(12_000_000))
  const { identity, recipient } = await makeKeyPair()
  const inner = memoryStore()
  await fullBackup(source, { store: inner, cache: false, key: 'key', encrypt: age({ recipients: [recipient] }) })
  const stranger = await makeKeyPair()
  for (const [codecs, code] of [
    [[], 'IBT_KEY_MISSING'],
    [[age({ identities: [stranger.identity] })], 'IBT_KEY_WRONG']
  ] as const) {
    const url = await serve(t, { store: inner, codecs })
    for (const path of ['/key/latest/', '/key/latest/large', '/key/latest/?format=tar']) {
      const answer = await fetch(url + path)
      assert.equal(answer.status, 424, path)
      const text = await answer.text()
      assert.match(text, new RegExp(`key\\.state\\..*age.*\\(${code}\\)\n$`), path)
      const json = await fetch(url + path, { headers: { accept: 'application/json' } })
      assert.deepEqual(Object(await json.json()).code, code)
    }
    // Names, dates and artifacts are there for everybody who may ask.
    const dates = (await (await fetch(`${url}/key/?format=json`)).json()) as { error: string }[]
    assert.equal(dates[0]!.error, code)
  }
  const { store, given } = countingStore(inner)
  const url = await serve(t, { store, codecs: [age({ identities: [identity] })] })
  const wanted = readFileSync(join(source, 'large'))
  const part = await fetch(`${url}/key/latest/large`, { headers: { range: 'bytes=11000000-11000099' } })
  assert.equal(part.status, 206)
  assert.ok(Buffer.from(await part.arrayBuffer()).equals(wanted.subarray(11_000_000, 11_000_100)))
  const [, full] = [...given].find(([name]) => name.includes('.full.'))!
  assert.ok(full.bytes < 3_500_000, `${full.bytes} bytes of 12 MB`)
  assert.ok(Buffer.from(await (await fetch(`${url}/key/latest/large`)).arrayBuffer()).equals(wanted))
})

test('by fetch, an answer counts until its body has been read, is cancelled or its request is aborted', async t => {
  const { source } = oddTree(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  const { fetch } = serveBackups({ store, cache: false, maxRequests: 1 })
  const ask = (init?: RequestInit) => fetch(new Request('http://localhost/key/latest/a%20b', init))
  const [gone, body] = [new AbortController(), 'content of a b']
  const ends: readonly ((response: Response) => unknown)[] = [
    response => response.text(),
    response => response.body!.cancel(),
    () => gone.abort()
  ]
  for (const end of ends) {
    const first = await ask({ signal: gone.signal })
    assert.equal(first.status, 200)
    const second = await ask()
    assert.equal(second.status, 503)
    await second.body!.cancel()
    await end(first)
    const third = await ask()
    assert.deepEqual([third.status, await third.text()], [200, body])
  }
  assert.equal((await ask({ method: 'HEAD' })).status, 200)
  assert.equal((await ask()).status, 200)
})

test('an answer that nobody reads is ended after a time, and one that is read slowly is not', async t => {
  // The clock is the test's.
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { timers } = t.mock
  const { source } = oddTree(t)
  writeFileSync(join(source, 'large'), randomBytes(20 << 20, 1))
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  const options = { store, cache: false, maxRequests: 1, stalledMs: 300 } as const
  const { fetch: ask } = serveBackups(options)
  const request = () => ask(new Request('http://localhost/key/latest/large'))
  const unread = await request()
  timers.tick(299)
  const early = await request()
  assert.deepEqual([unread.status, early.status], [200, 503])
  await early.body!.cancel()
  timers.tick(1)
  await assert.rejects(unread.arrayBuffer(), /Nobody has read the answer/)
  const slow = await request()
  let sizeBytes = 0
  for await (const chunk of slow.body!) {
    sizeBytes += chunk.length
    timers.tick(299)
  }
  assert.deepEqual([slow.status, sizeBytes], [200, 20 << 20])

  const url = await serve(t, options)
  const statusOf = async (path: string) => {
    const asking = get(url + path, { agent: false })
    const [answer] = await once(asking, 'response')
    asking.destroy()
    return answer.statusCode as number
  }
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  t.after(() => socket.destroy())
  socket.on('error', () => {})
  socket.write('GET /key/latest/large HTTP/1.1\r\nhost: localhost\r\n\r\n')
  await once(socket, 'data')
  socket.pause()
  let status = await statusOf('/')
  assert.equal(status, 503)
  // What the connection still takes is read, too.
  for (; status === 503; status = await statusOf('/key/latest/large')) timers.tick(300)
  assert.equal(status, 200)
})
