import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { after, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws'
import { fullBackup, restoreBackup } from '../../../src/index.js'
import {
  memoryStore,
  type RemoteStore,
  remoteStore,
  serveStore,
  storeConformance,
  wrapStore
} from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { bytesOf, collect } from '../../helpers/entries.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const INDEX = new URL('../../../src/stores/index.js', import.meta.url).href

const opened: { close(): unknown }[] = []
after(async () => {
  for (const one of opened.reverse()) await one.close()
})

interface Served {
  readonly store: RemoteStore
  readonly url: string
  readonly sockets: WebSocket[]
  readonly ends: Promise<void>[]
}

/** Serves a store over a WebSocket, as docs/stores.md does it. */
async function overWebSocket(store: Store): Promise<Served> {
  const [sockets, ends]: [WebSocket[], Promise<void>[]] = [[], []]
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', socket => {
    sockets.push(socket)
    ends.push(serveStore(createWebSocketStream(socket), store))
  })
  await once(server, 'listening')
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  const remote = await remoteStore(() => dial(url))
  opened.push(server, { close: () => sockets.map(socket => socket.terminate()) }, remote)
  return { store: remote, url, sockets, ends }
}

async function dial(url: string): Promise<Duplex> {
  const socket = new WebSocket(url)
  await once(socket, 'open')
  return createWebSocketStream(socket)
}

storeConformance('a store over a WebSocket', async () => (await overWebSocket(memoryStore())).store, { test })

test('a backup goes over a WebSocket and comes back; when the socket ends, so does the serving', async t => {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(source)
  const bytes = createRandom(1).bytes(3_000_000)
  writeFileSync(join(source, 'file'), bytes)
  const { store, ends } = await overWebSocket(memoryStore())
  await fullBackup(source, { store, cache: false, key: 'key' })
  await restoreBackup('key', join(source, '../out'), { store, cache: false })
  const [name] = (await collect(store.list('key.full.'))).map(({ name }) => name)
  const whole = await bytesOf(store.get(name!))
  assert.ok(
    (await bytesOf(store.get(name!, { start: 1_000_000, end: 1_000_100 }))).equals(whole.subarray(1_000_000, 1_000_100))
  )
  await store.close()
  await Promise.all(ends)
})

test('a WebSocket that is cut rejects what is under way and publishes nothing; the next call dials again', async () => {
  const inner = memoryStore()
  const { store, sockets } = await overWebSocket(inner)
  await store.put('before', [Buffer.from('before')])
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (let i = 0; ; i++) {
      if (i === 3) sockets.at(-1)!.terminate()
      yield Buffer.alloc(100_000)
    }
  }
  await assert.rejects(store.put('cut', endless()), { code: 'IBT_STORE_FAILED' })
  assert.deepEqual(
    (await collect(store.list())).map(({ name }) => name),
    ['before']
  )
  assert.equal(sockets.length, 2)
  const controller = new AbortController()
  const reason = new Error('enough')
  async function* silent(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(10)
    controller.abort(reason)
    await new Promise(() => {})
  }
  await assert.rejects(store.put('aborted', silent(), { signal: controller.signal }), error => error === reason)
  assert.equal((await bytesOf(store.get('before'))).toString(), 'before')
  assert.deepEqual(
    (await collect(inner.list())).map(({ name }) => name),
    ['before']
  )
})

test('a slow store holds a WebSocket back, in both directions', async () => {
  const inner = memoryStore()
  let [isSlow, taken, given] = [true, 0, 0]
  const slow = wrapStore(inner, {
    put: (name, source, options) =>
      inner.put(
        name,
        (async function* () {
          for await (const chunk of source) {
            taken += chunk.length
            while (isSlow) await setTimeout(5)
            yield chunk
          }
        })(),
        options
      ),
    async *get(name, range, options) {
      for await (const chunk of inner.get(name, range, options)) {
        for (let at = 0; at < chunk.length; at += 100_000) {
          given += 100_000
          yield chunk.subarray(at, at + 100_000)
        }
      }
    }
  })
  const { store } = await overWebSocket(slow)
  let made = 0
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 300; i++) {
      made += 100_000
      yield Buffer.alloc(100_000, i)
    }
  }
  const put = store.put('large', chunks())
  // Until nothing moves any more.
  for (let before = -1; before !== made; ) {
    before = made
    await setTimeout(100)
  }
  assert.ok(taken <= 1_000_000, `${taken} bytes were taken by a store that waits`)
  assert.ok(made < 8_000_000, `${made} bytes of 30 MB were taken from the source`)
  isSlow = false
  await put
  const reader = store.get('large')[Symbol.asyncIterator]()
  await reader.next()
  for (let before = -1; before !== given; ) {
    before = given
    await setTimeout(100)
  }
  assert.ok(given < 8_000_000, `${given} bytes of 30 MB were given to nobody`)
  await reader.return?.()
})

test('a process ends when its work with a store over a WebSocket is done, also without a close', async () => {
  const { url } = await overWebSocket(memoryStore())
  const script = `
    import { once } from 'node:events'
    import { createWebSocketStream, WebSocket } from 'ws'
    import { remoteStore } from ${JSON.stringify(INDEX)}
    let dialled = 0
    const store = await remoteStore(async () => {
      dialled++
      const socket = new WebSocket(${JSON.stringify(url)})
      await once(socket, 'open')
      return createWebSocketStream(socket)
    })
    await store.put('name', [Buffer.from('bytes')])
    await new Promise(resolve => setTimeout(resolve, 1500))
    for await (const { name } of store.list()) console.log(dialled, name)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { cwd: HERE })
  const late = AbortSignal.timeout(600_000)
  late.addEventListener('abort', () => child.kill('SIGKILL'))
  const [output, [code]] = await Promise.all([collect(child.stdout), once(child, 'exit')])
  assert.deepEqual([Buffer.concat(output).toString(), code], ['2 name\n', 0])
})
