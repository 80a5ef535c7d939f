import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BackupError,
  type BackupRun,
  isBackupError,
  openRun,
  pipe,
  restoreBackup,
  verifyBackup
} from '../../src/index.js'
import { fromWire, tee, toWire } from '../../src/interop/index.js'
import { publish } from '../../src/stages/index.js'
import { memoryStore } from '../../src/stores/index.js'
import type { Chunk, Counted, Sealed, Source } from '../../src/types.js'
import { assertSameTree } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { drain } from '../helpers/watched.js'
import { temporaryDirectory } from '../native/tree.js'

const DATE = '20261123T120000.000Z'
const STATE = `key.state.${DATE}.json`
const FULL = `key.full.${DATE}.tar.zst`
const totals = {
  ...{ entries: 4, files: 3, sizeBytes: 2 ** 40, created: 4, updated: 0, touched: 0, deleted: 0, unchanged: 0 },
  ...{ unreadable: 0, carried: 0, dirty: 0 }
}

function seal(name: string, kind: Sealed['kind'], ...parts: readonly Buffer[]): Sealed {
  const bytes = Buffer.concat(parts)
  return {
    item: 'sealed',
    name,
    kind,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex')
  }
}

const LARGE = createRandom(3).bytes(2_500_000)
const SMALL = Buffer.from('state')
const ITEMS: readonly (Chunk | Sealed | Counted)[] = [
  { item: 'chunk', name: FULL, kind: 'full', bytes: LARGE },
  { item: 'chunk', name: STATE, kind: 'state', bytes: SMALL },
  { item: 'chunk', name: FULL, kind: 'full', bytes: SMALL },
  seal(FULL, 'full', LARGE, SMALL),
  { item: 'counted', totals },
  seal(STATE, 'state', SMALL)
]

/** Items with the bytes of consecutive chunks of an artifact as one. */
function joined(items: readonly (Chunk | Sealed | Counted)[]): unknown[] {
  const all: unknown[] = []
  const bytes = new Map<string, Uint8Array[]>()
  for (const item of items) {
    if ('bytes' in item) bytes.set(item.name, [...(bytes.get(item.name) ?? []), item.bytes])
    else all.push(item)
  }
  return [...all, ...[...bytes].map(([name, parts]) => [name, Buffer.concat(parts).toString('base64')])]
}

const wire = async (items: Source<Chunk | Sealed | Counted>) => Buffer.concat(await drain(toWire()(items)))
const unwire = (bytes: Source<Uint8Array>, options = {}) => drain(fromWire(options)(bytes))

test('chunks, seals and counts come back, however the bytes are cut', async () => {
  const bytes = await wire(ITEMS)
  for (const size of [1000, 4096, 65_536, bytes.length]) {
    const parts: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) parts.push(bytes.subarray(at, at + size))
    assert.deepEqual(joined(await unwire(parts)), joined(ITEMS))
  }
  const few = ITEMS.slice(4, 5)
  assert.deepEqual(await unwire(Array.from(await wire(few), byte => Uint8Array.of(byte))), few)
  assert.deepEqual(await unwire([await wire([])]), [])
})

test('a stream that is cut off anywhere is known to be', async () => {
  const bytes = await wire([ITEMS[1]!, { item: 'counted', totals }, seal(STATE, 'state', SMALL)])
  for (let length = 0; length < bytes.length; length++) {
    await assert.rejects(unwire([bytes.subarray(0, length)]), { code: 'IBT_ARCHIVE_TRUNCATED' }, `${length}`)
  }
  await assert.rejects(unwire([bytes, Buffer.from('x')]), { code: 'IBT_ARCHIVE_CORRUPT' })
})

test('whatever is changed in a stream is refused with a code, or is not seen in what comes out', async () => {
  const small = [ITEMS[1]!, { item: 'counted', totals } as const, seal(STATE, 'state', SMALL)]
  const bytes = await wire(small)
  const random = createRandom(Number(process.env.SEED ?? 5))
  for (let round = 0; round < 3000; round++) {
    const changed = Buffer.from(bytes)
    for (let i = 0; i <= random.int(3); i++) changed[random.int(changed.length)] = random.int(256)
    try {
      const items = await unwire([changed])
      const chunks = items.filter(item => 'bytes' in item)
      for (const { bytes } of chunks) assert.deepEqual(Buffer.from(bytes), SMALL)
    } catch (error) {
      assert.ok(isBackupError(error), String(error))
    }
  }
})

const frame = (kind: number, head: unknown, body = Buffer.alloc(0)) => {
  const text = Buffer.from(typeof head === 'string' ? head : JSON.stringify(head))
  const lengths = Buffer.alloc(8)
  lengths.writeUInt8(kind, 0)
  lengths.writeUInt16BE(text.length, 2)
  lengths.writeUInt32BE(body.length, 4)
  return Buffer.concat([lengths, text, body])
}

test('a stream says what is wrong with it', async () => {
  const [preamble] = await drain(toWire()([]))
  const end = frame(4, '')
  const chunk = (name: string, kind: string) => frame(1, { name, kind }, SMALL)
  const sealed = { ...seal(STATE, 'state', SMALL) }
  const later = Buffer.from(preamble!)
  later.writeUInt32BE(2, 8)
  const long = Buffer.alloc(8)
  long.writeUInt8(1, 0)
  long.writeUInt32BE(2 ** 31, 4)
  const cases: readonly (readonly [string, readonly Uint8Array[], object?])[] = [
    ['IBT_STATE_VERSION', [later]],
    ['IBT_ARCHIVE_CORRUPT', [Buffer.from('GET / HTTP/1.1\r\n')]],
    ['IBT_ARCHIVE_CORRUPT', [preamble!, long]],
    ['IBT_ARCHIVE_CORRUPT', [preamble!, frame(9, {}), end]],
    ['IBT_ARCHIVE_CORRUPT', [preamble!, frame(3, '['), end]],
    ['IBT_ARCHIVE_CORRUPT', [preamble!, frame(3, { ...totals, files: -1 }), end]],
    ['IBT_ARCHIVE_CORRUPT', [preamble!, frame(3, { ...totals, dirty: undefined }), end]],
    ['IBT_ARCHIVE_CORRUPT', [preamble!, chunk(STATE, 'state'), end]],
    ['IBT_ARCHIVE_CORRUPT', [preamble!, chunk(STATE, 'state'), frame(2, sealed), chunk(STATE, 'state'), end]],
    ['IBT_HASH_MISMATCH', [preamble!, chunk(STATE, 'state'), frame(2, { ...sealed, sizeBytes: 6 }), end]],
    ['IBT_HASH_MISMATCH', [preamble!, chunk(STATE, 'state'), frame(2, { ...sealed, sha256: '0'.repeat(64) }), end]],
    ['IBT_NAME_INVALID', [preamble!, chunk('../../etc/passwd', 'state')]],
    ['IBT_NAME_INVALID', [preamble!, chunk(STATE, 'full')]],
    ['IBT_NAME_INVALID', [preamble!, chunk('__proto__', 'state')]],
    ['IBT_NAME_INVALID', [preamble!, chunk(STATE, 'state')], { key: 'other' }]
  ]
  for (const [i, [code, bytes, options]] of cases.entries()) {
    await assert.rejects(unwire(bytes, options), (error: BackupError) => error.code === code, `case ${i}: ${code}`)
  }
  assert.throws(() => fromWire({ key: '..' }), { code: 'IBT_NAME_INVALID' })
})

test('entries and pieces are refused on their way into a wire', async () => {
  for (const item of [
    { path: 'a', type: 'file' },
    { item: 'piece', kind: 'full', frame: SMALL }
  ]) {
    await assert.rejects(wire([item as never]), TypeError)
  }
})

async function listen(t: TestContext, serve: (socket: Socket) => Promise<unknown>) {
  const served: Promise<unknown>[] = []
  const server: Server = createServer({ allowHalfOpen: true }, socket => {
    t.after(() => socket.destroy())
    const done = serve(socket)
    done.catch(() => {})
    served.push(done)
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const open = () => {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
    t.after(() => socket.destroy())
    return socket
  }
  return { served, open }
}

function send(run: BackupRun, socket: Socket, signal?: AbortSignal) {
  const { walk, filter, diff, sign, pack, encode, stateEmit, encodeState, publish } = run.stages
  return pipe(
    ...([walk, filter, run.addParents, diff, sign, pack, run.watch, encode, stateEmit, encodeState] as const),
    tee(publish, async (items: Source<Chunk | Sealed | Counted>) => pipe(items, toWire(), socket)),
    { ...run.context, signal }
  )
}

test('backups go through a socket into a store, which answers on the same socket', oracle('rsync'), async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  const there = memoryStore()
  const { open } = await listen(t, async socket => {
    const { artifacts } = await pipe(socket, fromWire({ key: 'key' }), publish(there))
    socket.end(`stored ${artifacts.map(({ kind }) => kind)}`)
  })
  const answers: string[] = []
  for (const round of [0, 1, 2]) {
    writeFileSync(join(source, `f${round}`), createRandom(round).bytes(3_000_000))
    const run = await openRun(source, { store: memoryOf(base), cache: false, key: 'key' })
    const socket = open()
    const [published] = await send(run, socket)
    answers.push((await drain<Buffer>(socket)).join(''))
    await run.report(published)
    await run.close()
  }
  assert.deepEqual(answers, [
    'stored full,sigvault,state',
    'stored created,sigvault,state',
    'stored created,sigvault,state'
  ])
  const places = { store: there, cache: false } as const
  assert.deepEqual((await verifyBackup('key', { ...places, readData: true })).problems, [])
  await restoreBackup('key', join(base, 'out'), places)
  assertSameTree(join(base, 'out'), source)
})

test('a full goes straight into a socket, with a store on the other side only', async t => {
  const source = temporaryDirectory(t)
  writeFileSync(join(source, 'file'), createRandom(9).bytes(100_000))
  const there = memoryStore()
  const { served, open } = await listen(t, socket => pipe(socket, fromWire(), publish(there)))
  const run = await openRun(source, { store: there, cache: false, key: 'key', kind: 'full', dryRun: true })
  const { walk, filter, sign, pack, encode, stateEmit, encodeState } = run.stages
  await pipe(walk, filter, sign, pack, encode, stateEmit, encodeState, toWire(), open(), run.context)
  await run.close()
  while (served.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  await served[0]
  const { problems, files } = await verifyBackup('key', { store: there, cache: false, readData: true })
  assert.deepEqual([problems, files], [[], 1])
})

const stores = new Map<string, ReturnType<typeof memoryStore>>()
function memoryOf(name: string) {
  const store = stores.get(name) ?? memoryStore()
  stores.set(name, store)
  return store
}

test('a sender that breaks off leaves nothing in the store of the other side', async t => {
  const source = temporaryDirectory(t)
  writeFileSync(join(source, 'large'), createRandom(1).bytes(20_000_000))
  const there = memoryStore()
  const { served, open } = await listen(t, socket => pipe(socket, fromWire(), publish(there)))
  const controller = new AbortController()
  const run = await openRun(source, { store: memoryStore(), cache: false, key: 'key' })
  const socket = open()
  // The other side has some of it by now.
  const timer = setInterval(() => {
    if (socket.bytesWritten > 5_000_000) controller.abort(new Error('enough'))
  })
  const sent = send(run, socket, controller.signal).finally(() => clearInterval(timer))
  await assert.rejects(sent, /enough/, `${socket.bytesWritten} bytes were written`)
  await run.close()
  assert.equal(socket.destroyed, true)
  while (served.length === 0) await new Promise(resolve => setTimeout(resolve, 10))
  await assert.rejects(served[0]!)
  assert.deepEqual(await drain(there.list()), [])
})
