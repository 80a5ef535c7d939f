import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3'
import { isBackupError } from '../../../src/errors.js'
import { prefixed, tiered } from '../../../src/stores/decorators/index.js'
import { memoryStore } from '../../../src/stores/memory.js'
import { s3Store } from '../../../src/stores/s3/index.js'
import { cutParts, PartBuffers } from '../../../src/stores/s3/parts.js'
import type { Store } from '../../../src/types.js'
import { createRandom } from '../../helpers/random.js'
import { S3Place } from '../../helpers/s3/place.js'
import { CREDENTIALS } from '../../helpers/s3/server.js'

const place = await S3Place.open()
const { proxy } = place
const MiB = 1024 * 1024
const STATE = 'key.state.20260101T000000.000Z.json.zst'
const FULL = 'key.full.20260101T000000.000Z.tar.zst'

test.beforeEach(() => {
  proxy.faults = []
  proxy.calls.length = 0
})

const randomBytes = (seed: number, length: number) => createRandom(seed).bytes(length)
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

async function read(store: Store, name: string, range?: { start: number; end?: number }): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(name, range)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function names(store: Store, prefix?: string): Promise<string[]> {
  const found: string[] = []
  for await (const { name } of store.list(prefix)) found.push(name)
  return found
}

async function* toAsync<T>(items: Iterable<T>) {
  yield* items
}

function* cut(bytes: Uint8Array, size = 777_777) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

const coded = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(isBackupError(error), String(error))
  assert.equal(error.code, code)
  assert.match(error.message, text)
  return true
}

test('sizes around that of a part: one request, or parts of which three at most are under way', async () => {
  const store = await place.store({ partBytes: 5 * MiB })
  const bytes = randomBytes(1, 26 * MiB)
  for (const [size, parts] of [
    [0, 0],
    [1, 0],
    [5 * MiB - 1, 0],
    [5 * MiB, 0],
    [5 * MiB + 1, 2],
    [10 * MiB, 2],
    [26 * MiB, 6]
  ] as const) {
    proxy.calls.length = 0
    const content = bytes.subarray(0, size)
    await store.put('name', cut(content))
    assert.equal(sha256(await read(store, 'name')), sha256(content), `${size}`)
    assert.equal(proxy.count('UploadPart'), parts, `${size}`)
    assert.equal(proxy.count('PutObject'), parts === 0 ? 1 : 0, `${size}`)
  }
  assert.ok(proxy.partsAtOnce >= 2 && proxy.partsAtOnce <= 3, `${proxy.partsAtOnce} parts at once`)
  assert.equal(proxy.features.uploads.size, 0)
})

test('transient errors are waited out: of puts, parts, the end of an upload, reads and lists', async () => {
  const store = await place.store({ partBytes: 5 * MiB })
  const bytes = randomBytes(2, 11 * MiB)
  proxy.faults = [
    { operation: 'PutObject', kind: 'SlowDown', times: 2 },
    { operation: 'CreateMultipartUpload', kind: 'InternalError', times: 1 },
    { operation: 'UploadPart', kind: 'SlowDown', times: 1 },
    { operation: 'UploadPart', kind: 'reset', times: 1 },
    { operation: 'UploadPart', kind: 'lost', times: 1 },
    { operation: 'CompleteMultipartUpload', kind: 'ok-with-error', times: 1 },
    { operation: 'CompleteMultipartUpload', kind: 'lost', times: 1 },
    { operation: 'ListObjectsV2', kind: 'InternalError', times: 1 },
    { operation: 'GetObject', kind: 'SlowDown', times: 1 },
    { operation: 'DeleteObject', kind: 'reset', times: 1 }
  ]
  await store.put('small', [bytes.subarray(0, 1000)])
  await store.put('large', cut(bytes))
  assert.deepEqual(await names(store), ['large', 'small'])
  assert.equal(sha256(await read(store, 'large')), sha256(bytes))
  await store.delete('large')
  assert.deepEqual(await names(store), ['small'])
  assert.deepEqual(
    proxy.faults.filter(({ times }) => times > 0),
    []
  )
})

test('a read goes on at the byte where its connection broke, and only in the same object', async () => {
  const store = await place.store()
  const bytes = randomBytes(3, 3 * MiB)
  await store.put('name', [bytes])
  proxy.faults = [{ operation: 'GetObject', kind: 'cut', times: 3 }]
  assert.equal(sha256(await read(store, 'name', { start: 1000, end: 2 * MiB })), sha256(bytes.subarray(1000, 2 * MiB)))
  const ranges = proxy.calls.flatMap(({ operation, headers }) => (operation === 'GetObject' ? [headers.range] : []))
  assert.equal(ranges.length, 4)
  assert.equal(ranges[0], `bytes=1000-${2 * MiB - 1}`)
  // Every time half of what was left had come.
  assert.equal(ranges[1], `bytes=${1000 + Math.floor((2 * MiB - 1000) / 2)}-${2 * MiB - 1}`)

  proxy.faults = [{ operation: 'GetObject', kind: 'cut', times: 1 }]
  const chunks = store.get('name')
  const reading = (async () => {
    let isFirst = true
    for await (const _ of chunks) {
      if (isFirst) await store.put('name', [randomBytes(4, 3 * MiB)])
      isFirst = false
    }
  })()
  await assert.rejects(reading, coded('IBT_STORE_FAILED', /name was replaced while it was read/))
})

test('a read that breaks without a byte between ends with an error, not with half a content', async () => {
  const store = await place.store()
  await store.put('name', [randomBytes(5, MiB)])
  proxy.faults = [{ operation: 'GetObject', kind: 'cut', times: 1000 }]
  await assert.rejects(read(store, 'name', { start: 5, end: 6 }), coded('IBT_STORE_FAILED', /early at byte 5, 6 times/))
})

test('an upload that fails leaves no parts on the server: a part, the end, the source, an abort', async () => {
  const store = await place.store({ partBytes: 5 * MiB })
  const bytes = randomBytes(6, 16 * MiB)
  const failure = new Error('The source fails')
  const failing = async function* () {
    yield* cut(bytes)
    throw failure
  }
  await assert.rejects(store.put('name', failing()), error => error === failure)
  proxy.faults = [{ operation: 'UploadPart', kind: 'AccessDenied', times: 1 }]
  await assert.rejects(store.put('name', cut(bytes)), coded('IBT_STORE_FAILED', /No access to name/))
  proxy.faults = [{ operation: 'CompleteMultipartUpload', kind: 'AccessDenied', times: 1 }]
  await assert.rejects(store.put('name', cut(bytes)), coded('IBT_STORE_FAILED', /No access to name/))
  proxy.faults = [{ operation: 'CompleteMultipartUpload', kind: 'NoSuchUpload', times: 1 }]
  await assert.rejects(store.put('name', cut(bytes)), coded('IBT_STORE_FAILED', /Cannot write name/))
  for (const operation of ['CreateMultipartUpload', 'UploadPart', 'PutObject']) {
    const controller = new AbortController()
    const reason = new Error(`Enough of ${operation}`)
    proxy.faults = [{ operation, kind: operation === 'CreateMultipartUpload' ? 'SlowDown' : 'silent', times: 1 }]
    const done = store.put('name', cut(operation === 'PutObject' ? bytes.subarray(0, 10) : bytes), controller)
    done.catch(() => {})
    while (proxy.faults[0]!.times > 0) await setImmediate()
    controller.abort(reason)
    await assert.rejects(done, error => error === reason)
  }
  assert.equal(proxy.features.uploads.size, 0)
  assert.deepEqual(await names(store), [])
})

test('a part that fails ends a put whose source is silent', async () => {
  const store = await place.store({ partBytes: 5 * MiB })
  proxy.faults = [{ operation: 'UploadPart', kind: 'AccessDenied', times: 1 }]
  const silent = async function* () {
    yield new Uint8Array(6 * MiB)
    await new Promise(() => {})
  }
  const timer = setInterval(() => {}, 1000)
  await assert
    .rejects(store.put('name', silent()), coded('IBT_STORE_FAILED', /No access to name/))
    .finally(() => clearInterval(timer))
  assert.equal(proxy.features.uploads.size, 0)
})

test('a put reads no more than four parts ahead of the server', async () => {
  const store = await place.store({ partBytes: 5 * MiB })
  proxy.faults = [{ operation: 'UploadPart', kind: 'silent', times: 1000 }]
  let pulled = 0
  const source = async function* () {
    for (;;) {
      yield new Uint8Array(MiB)
      pulled++
    }
  }
  const controller = new AbortController()
  const done = store.put('name', source(), controller)
  done.catch(() => {})
  while (proxy.count('UploadPart') < 3) await setImmediate()
  while (pulled < 20) await setTimeout(5)
  await setTimeout(100)
  // The next chunk shows that the fourth part is full.
  assert.equal(pulled, 20)
  controller.abort(new Error('Enough'))
  await assert.rejects(done, { message: 'Enough' })
  assert.equal(proxy.features.uploads.size, 0)
})

test('parts double after 2,000 of them', async () => {
  const sizes: number[] = []
  const source = (function* () {
    for (let i = 0; i < 700; i++) yield new Uint8Array(100)
  })()
  const buffers = new PartBuffers(10)
  for await (const { bytes, isLast } of cutParts(toAsync(source), buffers)) {
    sizes.push(bytes.length)
    assert.equal(isLast, sizes.length === 4250)
    buffers.giveBack(bytes)
  }
  assert.deepEqual([sizes[1999], sizes[2000], sizes[3999], sizes[4000], sizes.length], [10, 20, 20, 40, 4250])
})

test('a connection on which nothing moves is given up: the request is sent again, a read goes on', async () => {
  process.env.AWS_ACCESS_KEY_ID = CREDENTIALS.accessKeyId
  process.env.AWS_SECRET_ACCESS_KEY = CREDENTIALS.secretAccessKey
  const store = s3Store({ bucket: await place.bucket(), endpoint: proxy.url, timeoutMs: 2000 })
  const bytes = randomBytes(9, 2 * MiB)
  proxy.faults = [
    { operation: 'PutObject', kind: 'silent', times: 1 },
    { operation: 'GetObject', kind: 'stall', times: 1 }
  ]
  await store.put('name', [bytes])
  assert.equal(sha256(await read(store, 'name')), sha256(bytes))
  // A machine on which nothing moves for that long gives up more often.
  assert.ok(proxy.count('GetObject') >= 2)
})

test('clean ends the uploads that a killed run has left, of the key and of no other', async () => {
  const bucket = await place.bucket()
  const store = s3Store({ bucket, client: place.client(), partBytes: 5 * MiB, prefix: 'in' })
  const controller = new AbortController()
  // As after kill -9: the server is not told.
  proxy.faults = [{ operation: 'AbortMultipartUpload', kind: 'AccessDenied', times: 3 }]
  for (const name of [FULL, 'key.x.full.20260101T000000.000Z.tar.zst', 'other']) {
    const failing = async function* () {
      yield new Uint8Array(6 * MiB)
      throw new Error('Killed')
    }
    await assert.rejects(store.put(name, failing(), controller), { message: 'Killed' })
  }
  assert.equal(proxy.features.uploads.size, 3)
  const { Uploads } = await place.client().send(new ListMultipartUploadsCommand({ Bucket: bucket }))
  assert.equal(Uploads?.length, 3)
  assert.equal(await store.clean?.('key'), 1)
  assert.deepEqual(
    [...proxy.features.uploads.values()].map(({ path }) => path),
    [`/${bucket}/in/key.x.full.20260101T000000.000Z.tar.zst`, `/${bucket}/in/other`]
  )
  proxy.features.uploads.clear()
  proxy.faults = [
    { operation: 'ListMultipartUploads', kind: 'NotImplemented', times: 1 },
    { operation: 'ListMultipartUploads', kind: 'AccessDenied', times: 1 }
  ]
  assert.equal(await store.clean?.('key'), 0)
  assert.equal(await store.clean?.('key'), 0)
})

test('1,200 names are listed in two pages and in byte order, other folders and hidden names are not', async () => {
  const bucket = await place.bucket()
  const store = s3Store({ bucket, client: place.client(), prefix: 'a' })
  const expected = Array.from({ length: 1200 }, (_, i) => `name-${String(i).padStart(4, '0')}`)
  // Straight to the server, which checks no signature.
  const put = (name: string) => fetch(`${place.server.url}/${bucket}/a/${name}`, { method: 'PUT', body: 'x' })
  for (let at = 0; at < 1200; at += 50) await Promise.all(expected.slice(at, at + 50).map(put))
  for (const prefix of ['', 'a/b', 'aa']) await s3Store({ bucket, client: place.client(), prefix }).put('name-0', [])
  proxy.calls.length = 0
  assert.deepEqual(await names(store), expected)
  assert.equal(proxy.count('ListObjectsV2'), 2)
  assert.deepEqual(await names(store, 'name-119'), expected.slice(1190))
  assert.deepEqual(await names(s3Store({ bucket, client: place.client() })), ['name-0'])
})

test('create: the answer that is lost counts, a conflict is tried again', async () => {
  const store = await place.store()
  const create = (name: string, text: string) => store.create!(name, Buffer.from(text))
  assert.equal(await create('first', 'a'), true)
  proxy.faults = [{ operation: 'PutObject', kind: 'lost', times: 1 }]
  assert.equal(await create('lost', 'mine'), true)
  assert.equal(await create('lost', 'other'), false)
  proxy.faults = [{ operation: 'PutObject', kind: 'ConditionalRequestConflict', times: 2 }]
  assert.equal(await create('conflict', 'a'), true)
})

test('create says so where the server ignores the condition, leaves nothing, and replaces nothing', async () => {
  const bucket = await place.bucket()
  const client = place.client(place.server.url)
  const store = s3Store({ bucket, client })
  await store.put('taken', [Buffer.from('old')])
  assert.equal(await store.create!('taken', Buffer.from('new')), false)
  assert.equal((await read(store, 'taken')).toString(), 'old')
  await assert.rejects(
    store.create!('name', Buffer.from('x')),
    coded('IBT_STORE_FAILED', /no conditional writes .* conditionalCreate=false/)
  )
  assert.deepEqual(await names(store), ['taken'])
  assert.equal(s3Store({ bucket, client, conditionalCreate: false }).create, undefined)
  proxy.faults = [{ operation: 'PutObject', kind: 'NotImplemented', times: 10 }]
  await assert.rejects(
    (await place.store()).create!('name', Buffer.from('x')),
    coded('IBT_STORE_FAILED', /no conditional writes/)
  )
})

test('retain locks the object in the mode that was asked for, and never makes the delete marker that would hide it', async () => {
  const bucket = await place.bucket()
  const store = s3Store({ bucket, client: place.client(), objectLock: 'COMPLIANCE' })
  await store.put('name', [Buffer.from('x')])
  await store.retain!('name', Date.UTC(2099, 0))
  await store.retain!('name', Date.UTC(2098, 0))
  assert.deepEqual(proxy.features.objects.get(`/${bucket}/name`)?.mode, 'COMPLIANCE')
  await assert.rejects(store.delete('name'), coded('IBT_RETAINED', /until 2099-01-01/))
  await assert.rejects(store.put('name', []), coded('IBT_RETAINED', /until 2099-01-01/))
  assert.deepEqual([proxy.count('DeleteObject'), proxy.count('PutObject')], [0, 1])
  assert.equal(s3Store({ bucket, client: place.client() }).retain, undefined)
})

test('storage classes by kind; what is cold is listed as such, is read after thaw, and is an error before', async () => {
  const storageClass = { full: 'DEEP_ARCHIVE', created: 'GLACIER', updated: 'GLACIER_IR', state: 'STANDARD_IA' }
  const bucket = await place.bucket()
  const store = s3Store({ bucket, client: place.client(), partBytes: 5 * MiB, storageClass })
  const removed = 'key.removed.20260101T000000.000Z.at-20260102T000000.000Z.json.zst'
  const all = [
    STATE,
    FULL,
    removed,
    'key.created.20260101T000000.000Z.tar.zst',
    'key.updated.20260101T000000.000Z.tar',
    'key.lock'
  ]
  for (const name of all) await store.put(name, cut(randomBytes(7, name === FULL ? 6 * MiB : 10)))
  const classOf = (name: string) => proxy.features.objects.get(`/${bucket}/${name}`)?.storageClass
  assert.deepEqual(all.map(classOf), [
    'STANDARD_IA',
    'DEEP_ARCHIVE',
    'STANDARD_IA',
    'GLACIER',
    'GLACIER_IR',
    'STANDARD'
  ])

  const cold = async () => {
    const found: Record<string, unknown> = {}
    for await (const { name, cold } of store.list()) if (cold !== undefined) found[name.split('.')[1]!] = cold
    return found
  }
  assert.deepEqual(await cold(), { full: 'frozen', created: 'frozen' })
  await assert.rejects(read(store, FULL), coded('IBT_ARCHIVED', /key\.full\..* is in DEEP_ARCHIVE .* thawed/))
  await store.thaw!(FULL)
  await store.thaw!(FULL)
  await store.thaw!(STATE)
  assert.deepEqual(await cold(), { full: 'thawing', created: 'frozen' })
  await assert.rejects(store.thaw!('missing'), coded('IBT_NOT_FOUND', /missing/))
  proxy.features.objects.get(`/${bucket}/${FULL}`)!.thaw = 'done'
  assert.deepEqual(await cold(), { created: 'frozen' })
  assert.equal((await read(store, FULL)).length, 6 * MiB)
})

test('decorators pass on what is cold, and thaw it where it is', async () => {
  const cold = await place.store({ storageClass: { full: 'GLACIER' } })
  const names = async (store: Store) => {
    const found: unknown[] = []
    for await (const { name, cold } of store.list()) found.push([name, cold])
    return found
  }
  const store = prefixed(tiered({ default: cold, state: memoryStore() }), 'x-')
  await store.put(FULL, [Buffer.from('full')])
  await store.put(STATE, [Buffer.from('state')])
  assert.deepEqual(await names(store), [
    [FULL, 'frozen'],
    [STATE, undefined]
  ])
  await store.thaw!(FULL)
  assert.deepEqual((await names(store))[0], [FULL, 'thawing'])
  assert.equal(prefixed(memoryStore(), 'x-').thaw, undefined)
})

test('a lock on a key is never kept by a retention of the bucket', async () => {
  const bucket = await place.bucket()
  const store = s3Store({ bucket, client: place.client(), objectLock: 'GOVERNANCE' })
  for (const name of ['key.lock', 'key.lock.0123456789abcdef']) {
    assert.equal(await store.create!(name, Buffer.from('holder')), true)
    // As a default retention of the bucket does.
    Object.assign(proxy.features.objects.get(`/${bucket}/${name}`)!, {
      retainUntil: '2099-01-01T00:00:00Z',
      mode: 'GOVERNANCE'
    })
    await store.put(name, [Buffer.from('renewed')])
    await store.delete(name)
  }
  assert.deepEqual(await names(store), [])
})

test('errors that a person can mend say how', async () => {
  const missing = s3Store({ bucket: 'not-there', client: place.client() })
  const noBucket = coded('IBT_STORE_FAILED', /The bucket not-there does not exist/)
  await assert.rejects(missing.put('name', []), noBucket)
  await assert.rejects(names(missing), noBucket)
  await assert.rejects(missing.delete('name'), noBucket)
  await assert.rejects(read(missing, 'name'), noBucket)
  const bucket = await place.bucket()
  const failing = (more: object, endpoint?: string) => s3Store({ bucket, client: place.client(endpoint, more) })
  const wrongKey = { credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wrong-secret' } }
  await assert.rejects(names(failing(wrongKey)), error => {
    assert.doesNotMatch(JSON.stringify(error) + String(error), /wrong-secret/)
    return coded('IBT_STORE_FAILED', /does not accept the AWS credentials \(SignatureDoesNotMatch\)/)(error)
  })
  const noKey = {
    credentials: () => Promise.reject(Object.assign(new Error('none'), { name: 'CredentialsProviderError' }))
  }
  await assert.rejects(names(failing(noKey)), coded('IBT_STORE_FAILED', /No AWS credentials/))
  await assert.rejects(
    names(failing({ maxAttempts: 1 }, 'http://127.0.0.1:1')),
    coded('IBT_STORE_FAILED', /Cannot reach the server .*ECONNREFUSED/)
  )
  proxy.faults = [{ operation: 'ListObjectsV2', kind: 'AccessDenied', times: 1 }]
  await assert.rejects(names(failing({})), coded('IBT_STORE_FAILED', /No access to the list/))
})

test('a call that waits for a server that never answers ends when it is aborted', async () => {
  const store = await place.store()
  await store.put('name', [randomBytes(8, 100)])
  const calls: Record<string, (options: { signal: AbortSignal }) => unknown> = {
    GetObject: options => store.get('name', undefined, options)[Symbol.asyncIterator]().next(),
    ListObjectsV2: options => store.list('', options)[Symbol.asyncIterator]().next(),
    DeleteObject: options => store.delete('name', options),
    HeadObject: options => store.create!('new', Buffer.from('x'), options),
    RestoreObject: options => store.thaw!('name', options)
  }
  for (const [operation, call] of Object.entries(calls)) {
    proxy.faults = [{ operation, kind: 'silent', times: 1 }]
    const controller = new AbortController()
    const reason = new Error('Enough')
    const done = Promise.resolve(call(controller))
    done.catch(() => {})
    while (proxy.faults[0]!.times > 0) await setImmediate()
    controller.abort(reason)
    await assert.rejects(done, error => error === reason, operation)
  }
})

test('options and parameters that cannot work are refused at once', async () => {
  const bucket = 'bucket'
  const refused: [object, RegExp][] = [
    [{}, /name of a bucket/],
    [{ bucket, partBytes: MiB }, /partBytes is less/],
    [{ bucket, parallelParts: 0 }, /parallelParts/],
    [{ bucket, storageClass: { state: 'GLACIER' } }, /state in GLACIER could not be read/],
    [{ bucket, storageClass: { delta: 'GLACIER' } }, /no kind of artifact: delta/]
  ]
  for (const [options, message] of refused) assert.throws(() => s3Store(options as never), message)
})
