import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { type ClientHttp2Stream, connect, createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import type { Duplex, Readable, Writable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { createWebSocketStream, WebSocket, WebSocketServer } from 'ws'
import {
  exportBackups,
  fullBackup,
  importBackups,
  incrementalBackup,
  listArrived,
  restoreTar
} from '../../../src/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

/** What a server does with what comes up, and what it sends down. */
interface Serve {
  readonly up: (source: Readable) => Promise<unknown>
  readonly down: (output: Writable) => Promise<unknown>
}

/** A client's ends: what is written goes up; `done` settles when the server has answered. */
interface Client {
  up(): { readonly output: Writable; readonly done: Promise<unknown> }
  down(): Promise<Readable>
}

async function portOf(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

const TRANSPORTS: Readonly<Record<string, (t: TestContext, serve: Serve) => Promise<Client>>> = {
  async 'HTTP/1.1'(t, serve) {
    const server = createServer((asked, answer) => {
      const isUp = asked.method === 'PUT'
      const served = isUp ? serve.up(asked).then(() => void answer.end('stored')) : serve.down(answer)
      served.catch(() => answer.destroy())
    })
    t.after(() => server.closeAllConnections())
    const options = { port: await portOf(t, server), host: '127.0.0.1', agent: false as const }
    return {
      up() {
        const output = request({ ...options, method: 'PUT' })
        const done = once(output, 'response').then(([response]) => textOf(response as Readable))
        return { output, done }
      },
      async down() {
        const [response] = await once(request(options).end(), 'response')
        return response
      }
    }
  },

  async 'HTTP/2'(t, serve) {
    const server = createHttp2Server()
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      stream.respond({ ':status': 200 })
      const isUp = headers[':method'] === 'PUT'
      const served = isUp ? serve.up(stream).then(() => void stream.end('stored')) : serve.down(stream)
      served.catch(() => stream.destroy())
    })
    const session = connect(`http://127.0.0.1:${await portOf(t, server as unknown as Server)}`)
    t.after(() => session.destroy())
    return {
      up() {
        const output: ClientHttp2Stream = session.request({ ':method': 'PUT', ':path': '/' })
        return { output, done: textOf(output) }
      },
      async down() {
        return session.request({ ':path': '/' })
      }
    }
  },

  async WebSocket(t, serve) {
    const http = createServer()
    const server = new WebSocketServer({ server: http })
    server.on('connection', (socket, asked) => {
      const duplex = createWebSocketStream(socket)
      duplex.on('error', () => {})
      const served = asked.url === '/up' ? serve.up(duplex) : serve.down(duplex)
      served.catch(() => socket.terminate())
    })
    const port = await portOf(t, http)
    t.after(() => {
      for (const client of server.clients) client.terminate()
    })
    const open = (path: string): Duplex => createWebSocketStream(new WebSocket(`ws://127.0.0.1:${port}${path}`))
    return {
      up() {
        const output = open('/up')
        // A WebSocket has no half that ends: its stream closes as a whole.
        output.resume()
        return { output, done: once(output, 'close') }
      },
      async down() {
        return open('/down')
      }
    }
  }
}

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}

async function backups(t: TestContext): Promise<{ source: string; here: Store }> {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(source)
  const here = memoryStore()
  writeFileSync(join(source, 'large'), createRandom(1).bytes(2_000_000))
  await fullBackup(source, { store: here, cache: false, key: 'key' })
  writeFileSync(join(source, 'more'), createRandom(2).bytes(500_000))
  await incrementalBackup(source, { store: here, cache: false, key: 'key' })
  return { source, here }
}

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(
    `a bundle goes up and a restore comes down over ${name}; what was cut goes on`,
    oracle('tar', 'rsync'),
    async t => {
      const { source, here } = await backups(t)
      const there = memoryStore()
      const served: Promise<unknown>[] = []
      const client = await transport(t, {
        up(bytes) {
          const importing = importBackups(bytes, { store: there, cache: false, key: 'key' })
          importing.catch(() => {})
          served.push(importing)
          return importing
        },
        down: output => restoreTar('key', output, { store: there, cache: false })
      })
      const options = { store: here, cache: false, all: true, volumeBytes: 200_000 } as const

      // The line breaks when some volumes have arrived.
      const cut = client.up()
      cut.done.catch(() => {})
      cut.output.on('error', () => {})
      const broken = exportBackups('key', cut.output, {
        ...options,
        onProgress({ sizeBytes }) {
          if (sizeBytes > 1_000_000) cut.output.destroy(new Error('the line broke'))
        }
      })
      await assert.rejects(broken)
      while (served.length === 0) await setTimeout(5)
      await assert.rejects(served[0]!)
      const arrived = await listArrived('key', { store: there, cache: false })

      const { output, done } = client.up()
      done.catch(() => {})
      const report = await exportBackups('key', output, { ...options, arrived })
      while (served.length < 2) await setTimeout(5)
      await served[1]
      await done
      assert.equal(report.dates.length, 2)

      const out = join(source, '../out')
      mkdirSync(out)
      const tar = join(source, '../tar')
      writeFileSync(tar, Buffer.concat(await bytesOf(await client.down())))
      execFileSync('tar', ['-xpf', tar, '-C', out])
      assertSameTree(out, source)
    }
  )
}

async function bytesOf(stream: Readable): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return chunks
}

test('a bundle goes through the stdin of a program, and comes back', oracle('zstd'), async t => {
  const { here } = await backups(t)
  const there = memoryStore()
  const path = join(temporaryDirectory(t), 'bundle.zst')
  const compressing = spawn('zstd', ['-q', '-c'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const written = compressing.stdout.pipe(createWriteStream(path))
  const closed = once(written, 'close')
  await exportBackups('key', compressing.stdin, { store: here, cache: false, all: true })
  await closed
  const decompressing = spawn('zstd', ['-q', '-d', '-c'], { stdio: ['pipe', 'pipe', 'inherit'] })
  createReadStream(path).pipe(decompressing.stdin)
  const { dates } = await importBackups(decompressing.stdout, { store: there, cache: false })
  assert.equal(dates.length, 2)
  // A program that ends early fails the export.
  const failing = spawn('head', ['-c', '100000'], { stdio: ['pipe', 'ignore', 'inherit'] })
  const exported = exportBackups('key', failing.stdin, { store: here, cache: false, all: true })
  // A write that is under way when the program ends may hear of it in the other way.
  await assert.rejects(exported, (error: NodeJS.ErrnoException) => /^(EPIPE|ECONNRESET)$/.test(String(error.code)))
})
