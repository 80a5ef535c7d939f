import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Chain, fullBackup, incrementalBackup, pipe, restoreBackup, type Store } from '../../src/index.js'
import { only, pack, patch, sign, unpack, walk } from '../../src/stages/index.js'
import { directoryStore } from '../../src/stores/index.js'
import type { ByteRange, Change, Source, StoreOptions } from '../../src/types.js'
import { NaiveChain } from '../helpers/chain.js'
import { assertSameTree, shell } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { EDITS, makeTree, SIZES } from '../helpers/tree.js'
import { temporaryDirectory } from '../native/tree.js'

const SMALL = SIZES.filter(size => size < 1e7)

test('any date goes into a socket as a tar, and the other end extracts it', oracle('tar', 'rsync'), async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = makeTree(chain.source, SMALL)
  await chain.full()
  EDITS[0]!(tree)
  const { date } = await chain.incremental()
  const out = join(chain.base, 'out')
  mkdirSync(out)
  const tar = spawn('tar', ['-C', out, '-xpf', '-'], { stdio: ['pipe', 'ignore', 'ignore'] })
  const server = createServer(socket => socket.pipe(tar.stdin)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stored = await Chain.open(directoryStore(chain.storePath), 'key')
  const state = await stored.state(date)
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const closed = once(tar, 'close')
  await pipe(unpack(state.entries(), stored.openArchive), patch(), pack({ whole: 'full' }), only('full'), socket)
  assert.deepEqual(await closed, [0, null])
  server.close()
  assertSameTree(out, chain.copy(date))
})

test('a plain tar takes neither a backup nor a store', oracle('tar'), async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  makeTree(source, SMALL)
  const archive = join(base, 'x.tar')
  await pipe(walk(source), pack({ whole: 'full' }), only('full'), createWriteStream(archive))
  shell('tar -C "$1" --compare -f "$2"', source, archive)
})

/** Every artifact through a process of `age`, on its way in and out. */
function encrypted(store: Store, recipient: string, identity: string): Store {
  async function* age(options: string[], source: Source<Uint8Array>) {
    const child = spawn('age', options, { stdio: ['pipe', 'pipe', 'inherit'] })
    const fed = pipe(source, child.stdin)
    // It may fail while its output is still read.
    fed.catch(() => {})
    yield* child.stdout
    await fed
  }
  async function* decrypted(name: string, { start = 0, end = Infinity }: Partial<ByteRange>, options?: StoreOptions) {
    let at = 0
    for await (const chunk of age(['-d', '-i', identity], store.get(name, undefined, options))) {
      const from = Math.min(Math.max(0, start - at), chunk.length)
      const part = chunk.subarray(from, Math.max(from, Math.min(chunk.length, end - at)))
      at += chunk.length
      if (part.length > 0) yield part
    }
  }
  const sizes = new Map<string, number>()
  return {
    id: `age ${store.id}`,
    put(name, source, options) {
      async function* counted() {
        let sizeBytes = 0
        for await (const chunk of source) {
          sizeBytes += chunk.length
          yield chunk
        }
        sizes.set(name, sizeBytes)
      }
      return store.put(name, age(['-r', recipient], counted()), options)
    },
    get: (name, range, options) => decrypted(name, range ?? {}, options),
    async *list(prefix, options) {
      for await (const stored of store.list(prefix, options))
        yield { ...stored, sizeBytes: sizes.get(stored.name) ?? stored.sizeBytes }
    },
    delete: (name, options) => store.delete(name, options)
  }
}

test('everything that is stored is encrypted, and restored again', oracle('age', 'age-keygen', 'rsync'), async t => {
  const base = temporaryDirectory(t)
  const identity = join(base, 'identity')
  execFileSync('age-keygen', ['-o', identity], { stdio: 'ignore' })
  const recipient = execFileSync('age-keygen', ['-y', identity]).toString().trim()
  const store = encrypted(directoryStore(join(base, 'store')), recipient, identity)
  const source = join(base, 'source')
  const tree = makeTree(source, SMALL)
  const options = { store, cache: false, key: 'k' } as const
  const full = await fullBackup(source, options)
  EDITS[0]!(tree)
  await incrementalBackup(source, options)
  await restoreBackup('k', join(base, 'out'), { store, cache: false })
  assertSameTree(join(base, 'out'), source)
  for (const { name } of full.files) {
    assert.match(readFileSync(join(base, 'store', name)).toString('latin1', 0, 21), /^age-encryption\.org\/v1/)
  }
})

const NEVER = new Promise<never>(() => {})

async function assertAborts(start: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
  const controller = new AbortController()
  const reason = new Error('enough')
  const run = start(controller.signal)
  run.catch(() => {})
  await setTimeout(200)
  controller.abort(reason)
  await assert.rejects(run, error => error === reason)
}

test('an abort does not wait for a signature or a source that never answers', async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'a'), Buffer.alloc(100_000, 'a'))
  async function* changes() {
    for await (const entry of walk(source)) {
      const change = { change: entry.type === 'file' ? 'updated' : 'unchanged', ...entry } as Change
      const previous = { ...entry, content: undefined, sha256: '0'.repeat(64), places: [], sizeBytes: 100_000 }
      yield entry.type === 'file' ? { ...change, previous, basis: () => NEVER } : change
    }
  }
  const drain = async (items: Source<unknown>) => {
    for await (const _ of items);
  }
  await assertAborts(signal => pipe(changes(), sign(), drain, { signal }))

  const parked: AsyncIterable<never> = { [Symbol.asyncIterator]: () => ({ next: () => NEVER, return: () => NEVER }) }
  await assertAborts(signal =>
    fullBackup(source, { store: join(base, 'other'), cache: false, signal, stages: { walk: parked } })
  )
  rmSync(source, { recursive: true })
})
