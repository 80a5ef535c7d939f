import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import {
  exportBackups,
  fullBackup,
  importBackups,
  listArrived,
  listBackups,
  restoreBackup,
  streamBackup,
  verifyBackup
} from '../../../src/index.js'
import { memoryStore, wrapStore } from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { code, collect } from '../../helpers/entries.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { drain } from '../../helpers/watched.js'
import { temporaryDirectory } from '../../native/tree.js'

function makeSource(t: TestContext): string {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'large'), createRandom(1).bytes(3_000_000))
  return source
}

interface Listening {
  readonly served: Promise<unknown>[]
  readonly open: () => Socket
}

async function listen(t: TestContext, serve: (socket: Socket) => Promise<unknown>, pem?: string): Promise<Listening> {
  const served: Promise<unknown>[] = []
  const take = (socket: Socket) => {
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    const done = serve(socket)
    done.catch(() => {})
    served.push(done)
  }
  const options = { allowHalfOpen: true }
  const server =
    pem === undefined ? createServer(options, take) : createTlsServer({ ...options, key: pem, cert: pem }, take)
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const open = () => {
    const socket =
      pem === undefined
        ? connectTcp(port, '127.0.0.1')
        : connectTls({ port, host: '127.0.0.1', ca: pem, servername: 'localhost' })
    t.after(() => socket.destroy())
    return socket
  }
  return { served, open }
}

/** Sends three backups over a socket, on which the receiver answers. */
async function sendThree(t: TestContext, pem?: string): Promise<void> {
  const source = makeSource(t)
  const there = memoryStore()
  const sent = memoryStore()
  const { open } = await listen(
    t,
    async socket => {
      const { dates } = await importBackups(socket, { store: there, cache: false, key: 'key' })
      socket.end(`stored ${dates.length}`)
    },
    pem
  )
  const kinds: string[] = []
  for (const round of [0, 1, 2]) {
    appendFileSync(join(source, 'large'), `${round}`)
    const socket = open()
    const report = await streamBackup(source, socket, { key: 'key', sent, volumeBytes: 500_000 })
    assert.equal((await drain<Buffer>(socket)).join(''), 'stored 1')
    kinds.push(report.kind)
    const { problems } = await verifyBackup('key', { store: there, cache: false, readData: true })
    assert.deepEqual(problems, [])
  }
  assert.deepEqual(kinds, ['full', 'incremental', 'incremental'])
  const destination = join(source, '../out')
  await restoreBackup('key', destination, { store: there, cache: false })
  assertSameTree(destination, source)
  // Of what was sent, only what the next one builds on is remembered.
  const names = (await collect(sent.list())).map(({ name }) => name.split('.')[1])
  assert.equal(names.filter(kind => kind === 'state').length, 1)
}

test('backups go through a TCP socket into a store, without one here', oracle('rsync'), t => sendThree(t))

test('backups go through TLS', oracle('rsync', 'openssl'), async t => {
  const path = join(temporaryDirectory(t), 'pem')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path]
  execFileSync('openssl', ['req', '-x509', ...key, '-days', '2', '-out', `${path}.cert`, ...subject], { stdio: 'pipe' })
  await sendThree(t, readFileSync(path, 'utf8') + readFileSync(`${path}.cert`, 'utf8'))
})

test('a receiver that closes early fails the backup, which does not count as sent', async t => {
  const source = makeSource(t)
  const sent = memoryStore()
  const { open } = await listen(t, async socket => {
    await once(socket, 'data')
    socket.destroy()
  })
  const options = { key: 'key', sent, volumeBytes: 100_000 }
  await assert.rejects(streamBackup(source, open(), options))
  assert.deepEqual(await collect(sent.list()), [])
  assert.equal((await streamBackup(source, async items => void (await collect(items)), options)).kind, 'full')
})

test('a sender that breaks off leaves volumes that are no backup', async t => {
  const source = makeSource(t)
  const [here, there] = [memoryStore(), memoryStore()]
  await fullBackup(source, { store: here, cache: false, key: 'key' })
  const options = { store: there, cache: false } as const
  const { served, open } = await listen(t, socket => importBackups(socket, options))
  const controller = new AbortController()
  const socket = open()
  const timer = setInterval(() => {
    if (socket.bytesWritten > 1_000_000) controller.abort(new Error('enough'))
  })
  const onProgress = () => new Promise<void>(resolve => setTimeout(resolve, 1))
  const slow = wrapStore(here, {
    async *get(...call) {
      for await (const chunk of here.get(...call)) {
        for (let at = 0; at < chunk.length; at += 100_000) {
          yield chunk.subarray(at, at + 100_000)
          await onProgress()
        }
      }
    }
  })
  const exported = exportBackups('key', socket, {
    store: slow,
    cache: false,
    volumeBytes: 200_000,
    signal: controller.signal
  })
  await assert.rejects(
    exported.finally(() => clearInterval(timer)),
    /enough/
  )
  await assert.rejects(served[0]!)
  assert.deepEqual(await collect(listBackups(undefined, options)), [])
  const arrived = await listArrived('key', options)
  assert.ok(arrived.artifacts[0]!.volumes! > 2, JSON.stringify(arrived))
  await exportBackups('key', open(), { store: here, cache: false, volumeBytes: 200_000, arrived })
  while (served.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
  await served[1]
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
})

test('a sender goes no further than its receiver', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  await fullBackup(source, { store, cache: false, key: 'key' })
  let read = 0
  const counted = wrapStore(store, {
    async *get(...call) {
      for await (const chunk of store.get(...call)) {
        read += chunk.length
        yield chunk
      }
    }
  })
  let before = 0
  await assert.rejects(
    exportBackups(
      'key',
      async items => {
        let taken = 0
        for await (const bytes of items) {
          if (taken === 0) before = read
          taken += bytes.length
          await new Promise(resolve => setImmediate(resolve))
          assert.ok(read - before - taken <= 1 << 20, `${read - before} bytes were read for ${taken}`)
          if (taken > 1_500_000) throw new Error('seen enough')
        }
      },
      { store: counted, cache: false, volumeBytes: 200_000 }
    ),
    /seen enough/
  )
  assert.ok(read - before < 3_000_000)
})

test('a source that is suddenly all but empty cuts the stream off', async t => {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(source)
  for (let i = 0; i < 200; i++) writeFileSync(join(source, `${i}`), `${i}`)
  const sent = memoryStore()
  const send = async (there: Store) => {
    const parts: Uint8Array[] = []
    const take = async (items: AsyncIterable<Uint8Array>) => {
      for await (const bytes of items) parts.push(bytes)
    }
    const error = await streamBackup(source, take as never, { key: 'key', sent }).catch((reason: unknown) => reason)
    await importBackups(parts, { store: there, cache: false }).catch(reason => {
      assert.ok(code('IBT_ARCHIVE_TRUNCATED')(reason), reason.stack)
    })
    return error
  }
  const there = memoryStore()
  await send(there)
  const dates = (await collect(listBackups('key', { store: there, cache: false }))).length
  assert.equal(dates, 1)
  for (let i = 0; i < 200; i++) rmSync(join(source, `${i}`))
  assert.ok(code('IBT_SOURCE_SHRUNK')(await send(there)))
  assert.equal((await collect(listBackups('key', { store: there, cache: false }))).length, 1)
})
