import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type HttpStoreOptions, httpStore } from '../../src/stores/http/index.js'
import { parseListing } from '../../src/stores/http/listing.js'
import { storeFromUrl } from '../../src/stores/index.js'
import { findLogin } from '../../src/stores/netrc.js'
import { Desk } from '../helpers/desk.js'
import { collect } from '../helpers/entries.js'
import { startHttp } from '../helpers/web-servers.js'
import { temporaryDirectory } from '../native/tree.js'

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 251))

/** A request, and how it may be answered. */
interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Requests before this one. */
  readonly before: number
  readonly start: number
  readonly end: number
}

/** A store whose server answers as it is told. */
async function faulty(t: TestContext, answer: (asked: Asked) => unknown, options: Partial<HttpStoreOptions> = {}) {
  const requests: IncomingMessage[] = []
  const server = await startHttp((request, response) => {
    const [, start, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
    const end = last ? Math.min(Number(last) + 1, CONTENT.length) : CONTENT.length
    answer({ request, response, before: requests.length, start: Number(start ?? 0), end })
    requests.push(request)
  })
  t.after(() => server.close())
  const store = httpStore({ url: server.url, retryDelayMs: 1, ...options })
  return { store, server, requests }
}

function send({ response, start, end }: Asked, headers: Record<string, string> = {}, bytes = end - start): void {
  const range = `bytes ${start}-${end - 1}/${CONTENT.length}`
  response.writeHead(206, { 'content-length': `${end - start}`, 'content-range': range, etag: '"1"', ...headers })
  if (bytes === end - start) response.end(CONTENT.subarray(start, end))
  else response.write(CONTENT.subarray(start, start + bytes), () => response.destroy())
}

const gather = async (chunks: AsyncIterable<Uint8Array>) => Buffer.concat(await collect(chunks))

const failsWith = (pattern: RegExp) => (error: unknown) => {
  const { code, cause } = error as { readonly code?: unknown; readonly cause?: unknown }
  return code === 'IBT_STORE_FAILED' && pattern.test(String(cause))
}

test('a connection that is cut is opened again at the byte where it stopped, again and again', async t => {
  const { store, requests } = await faulty(t, asked => send(asked, {}, Math.min(40_000, asked.end - asked.start)))
  assert.ok((await gather(store.get('a', { start: 1000, end: 290_000 }))).equals(CONTENT.subarray(1000, 290_000)))
  const starts = requests.map(({ headers }) => Number(/\d+/.exec(headers.range!)![0]))
  assert.deepEqual(
    starts,
    [...new Set(starts)].sort((a, b) => a - b)
  )
  assert.ok(starts.length > 6)
})

test('a server that is busy is asked again, and one that stays so is an error', async t => {
  const busy = ({ response }: Asked) => response.writeHead(503, { 'retry-after': '0' }).end('busy')
  const soon = await faulty(t, asked => (asked.before < 4 ? busy(asked) : send(asked)))
  assert.ok((await gather(soon.store.get('a'))).equals(CONTENT))
  assert.equal(soon.requests.length, 5)
  const never = await faulty(t, busy)
  await assert.rejects(gather(never.store.get('a')), failsWith(/503 Service Unavailable/))
  assert.equal(never.requests.length, 5)
  const refused = await faulty(t, ({ response }) => response.writeHead(403).end())
  await assert.rejects(gather(refused.store.get('a')), failsWith(/netrc/))
  assert.equal(refused.requests.length, 1)
})

test('a content that ends before its length, or has none, is an error', async t => {
  const short = await faulty(t, asked => {
    if (asked.before > 0) return void asked.response.writeHead(416).end()
    send(asked, { 'content-length': `${CONTENT.length + 5}` }, CONTENT.length)
    asked.request.socket.end()
  })
  await assert.rejects(gather(short.store.get('a')), { code: 'IBT_STORE_FAILED' })
  const endless = await faulty(t, ({ response }) => response.writeHead(200).end('abc'))
  await assert.rejects(gather(endless.store.get('a')), failsWith(/does not say how long/))
  const other = await faulty(t, asked => send({ ...asked, start: 5 }))
  await assert.rejects(gather(other.store.get('a', { start: 6, end: 9 })), failsWith(/another range/))
})

test('a content that is replaced while it is read is an error, and never a mixture', async t => {
  const { store } = await faulty(t, asked =>
    asked.before === 0 ? send(asked, {}, 1000) : send(asked, { etag: '"2"' })
  )
  await assert.rejects(gather(store.get('a')), failsWith(/changed while it was read/))
})

test('a server that ignores ranges sends what is asked for all the same', async t => {
  const whole = ({ response }: Asked) => response.writeHead(200, { 'content-length': `${CONTENT.length}` }).end(CONTENT)
  const { store } = await faulty(t, whole)
  for (const [start, end] of [
    [0, 1],
    [7, 100_000],
    [299_999, 300_001],
    [300_000, 300_002],
    [400_000, 400_001]
  ] as const)
    assert.ok((await gather(store.get('a', { start, end }))).equals(CONTENT.subarray(start, end)), `${start}`)
})

test('one connection serves many requests', async t => {
  const { store, server } = await faulty(t, send)
  for (let i = 0; i < 50; i++) await gather(store.get('a', { start: i * 10, end: i * 10 + 5000 }))
  assert.equal(server.connections(), 1)
})

test('a server that says nothing is given up, and a slow reader is not', { timeout: 300_000 }, async t => {
  const silent = await faulty(t, () => {}, { timeoutMs: 500, retries: 1 })
  await assert.rejects(gather(silent.store.get('a')), failsWith(/No answer within 500 ms/))
  // The server may hear of a request only when the client has given it up.
  while (silent.requests.length < 2) await setTimeout(1)
  assert.equal(silent.requests.length, 2)
  const { store, requests } = await faulty(t, send, { timeoutMs: 60_000 })
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let bytes = 0
  for await (const chunk of store.get('a')) {
    if (bytes === 0) t.mock.timers.tick(60_000)
    bytes += chunk.length
  }
  assert.deepEqual([bytes, requests.length], [CONTENT.length, 1])
})

test('an abort ends a request under way, a pause and a list at once', async t => {
  const reason = new Error('Enough')
  const stuck = await faulty(t, () => {})
  const busy = await faulty(t, ({ response }) => response.writeHead(503, { 'retry-after': '1000' }).end())
  for (const { store, requests } of [stuck, busy]) {
    for (const start of [
      (signal: AbortSignal) => store.get('a', undefined, { signal }),
      (signal: AbortSignal) => store.list('', { signal })
    ]) {
      const controller = new AbortController()
      const done = collect<unknown>(start(controller.signal))
      done.catch(() => {})
      const before = requests.length
      while (requests.length === before) await setTimeout(1)
      controller.abort(reason)
      await assert.rejects(done, error => error === reason)
    }
  }
})

test('redirects are followed, the credentials stay with their server, and https: is not left', async t => {
  const seen: unknown[] = []
  const other = await startHttp((request, response) => {
    seen.push(request.headers.authorization)
    response.writeHead(200, { 'content-length': '3' }).end('abc')
  })
  t.after(() => other.close())
  const { store } = await faulty(
    t,
    ({ request, response }) => {
      seen.push(request.headers.authorization)
      const location = request.url === '/a' ? '/b' : request.url === '/b' ? `${other.url}c` : '/loop'
      response.writeHead(302, { location }).end()
    },
    { headers: { authorization: 'Bearer x' } }
  )
  assert.equal(String(await gather(store.get('a'))), 'abc')
  assert.deepEqual(seen, ['Bearer x', 'Bearer x', undefined])
  await assert.rejects(gather(store.get('loop')), failsWith(/redirects more than 5/))
  const { store: leaving } = await faulty(t, ({ response }) =>
    response.writeHead(301, { location: 'file:///etc/passwd' }).end()
  )
  await assert.rejects(gather(leaving.get('a')), failsWith(/redirects from http: to file:/))
})

test('credentials come from netrc or IBT_HTTP_TOKEN, and are asked for by the user of the URL', async t => {
  const base = temporaryDirectory(t)
  const { requests, server } = await faulty(t, ({ response }) => response.writeHead(404).end())
  const netrc = join(base, 'netrc')
  writeFileSync(netrc, 'machine 127.0.0.1 login anna password one\nmachine 127.0.0.1 login bert password "t w\\"o"\n')
  const ask = async (user: string) => {
    const url = server.url.replace('//', `//${user}`)
    await assert.rejects(gather(storeFromUrl(url).get('a')), { code: 'IBT_NOT_FOUND' })
    const [scheme, value = ''] = (requests.at(-1)!.headers.authorization ?? '').split(' ')
    return scheme === 'Basic' ? String(Buffer.from(value, 'base64')) : `${scheme} ${value}`
  }
  const { NETRC, IBT_HTTP_TOKEN } = process.env
  t.after(() => Object.assign(process.env, { NETRC, IBT_HTTP_TOKEN }))
  Object.assign(process.env, { NETRC: netrc, IBT_HTTP_TOKEN: '' })
  assert.equal(await ask(''), 'anna:one')
  assert.equal(await ask('bert@'), 'bert:t w"o')
  assert.equal(await ask('carl@'), ' ')
  process.env.IBT_HTTP_TOKEN = 'secret'
  assert.equal(await ask(''), 'Bearer secret')
})

test('netrc is read as curl reads it', () => {
  const text = `# machine host login no password no
macdef init
machine host login macro password macro

machine HOST
  login a account x password "p \\"q"
machine odd password login login password
default login anybody password any`
  assert.deepEqual(findLogin(text, 'host'), { user: 'a', password: 'p "q' })
  assert.deepEqual(findLogin(text, 'odd'), { user: 'password', password: 'login' })
  assert.deepEqual(findLogin(text, 'elsewhere'), { user: 'anybody', password: 'any' })
  assert.deepEqual(findLogin(text, 'host', 'b'), undefined)
  assert.equal(findLogin('machine a login b', 'a'), undefined)
  assert.equal(findLogin('', 'a'), undefined)
})

test('of a listing, names of the directory itself are taken, and a page that is none is not believed', () => {
  const directory = new URL('http://host/a%20b/')
  const page = (links: string) =>
    parseListing(`<title>Index of /a b</title>${links}`, directory)?.map(({ name }) => name)
  const links = [
    '?C=N;O=D',
    '../',
    'sub/',
    '/a%20b/x',
    '/other',
    'http://host/a%20b/y',
    'https://host/a%20b/z',
    '.hidden'
  ]
  assert.deepEqual(page(links.map(link => `<a href="${link}">`).join('')), ['x', 'y'])
  assert.deepEqual(page(`<A class=x HREF='it&#39;s&amp;%25'>..</a><a href=bare>`), ["it's&%", 'bare'])
  assert.deepEqual(page('<a href="%zz"><a href="a%2Fb"><a href="http://[">'), [])
  assert.equal(parseListing('<title>Log in</title><a href="x">', directory), undefined)
  assert.equal(parseListing('[{"name"', directory), undefined)
  const caddy = '[{"name":"x","size":1,"is_dir":false},{"name":"d/","size":4096,"is_dir":true},null,{"name":"y"}]'
  assert.deepEqual(parseListing(caddy, directory), [
    { name: 'x', sizeBytes: 1 },
    { name: 'y', sizeBytes: undefined }
  ])
})

test('a URL with a password, a query or another scheme is refused at the call', () => {
  for (const url of ['http://a:b@host/', 'http://host/?a=b', 'http://host/#a', 'ftp://host/'])
    assert.throws(() => httpStore({ url }), RangeError)
  assert.equal(httpStore({ url: 'http://host/a/' }).id, storeFromUrl('http://host/a').id)
})

test('the command line reads from a URL, and a backup into it is refused with exit code 5', async t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/file'), 'text')
  const { server } = await faulty(t, ({ response }) => response.writeHead(404).end())
  const list = await desk.start(['list', '--store', server.url, '--json']).ended
  assert.deepEqual([list.status, /There is nothing at|No backup/.test(list.stdout + list.stderr)], [1, true])
  const empty = await faulty(t, ({ response }) => response.writeHead(200).end('[]'))
  const backup = await desk.start(['backup', 'src', '--store', empty.server.url]).ended
  assert.deepEqual([backup.status, /does not allow to/.test(backup.stderr)], [5, true])
})
