import assert from 'node:assert/strict'
import { appendFileSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  BackupError,
  type BackupOptions,
  fullBackup,
  type IncrementalStages,
  listBackups,
  listEntries,
  none
} from '../../../src/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import type { Store } from '../../../src/types.js'
import { NaiveChain } from '../../helpers/chain.js'
import { collect } from '../../helpers/entries.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const RSYNC = oracle('rsync')

function makeChain(t: TestContext, options: BackupOptions<IncrementalStages>): NaiveChain {
  const chain = new NaiveChain(temporaryDirectory(t), options)
  writeFileSync(join(chain.source, 'small'), 'small')
  writeFileSync(join(chain.source, 'signed'), createRandom(7).bytes(50_000))
  return chain
}

/** Changes one block of the file that has a signature. */
const editSigned = (chain: NaiveChain) => flipByte(join(chain.source, 'signed'), 25_000)

function flipByte(path: string, offset: number): void {
  const bytes = readFileSync(path)
  bytes[offset]! ^= 0x10
  writeFileSync(path, bytes)
}

test('a cache that is gone, of another size or damaged is fetched again', RSYNC, async t => {
  const chain = makeChain(t, {})
  await chain.full()
  const [id] = readdirSync(chain.cachePath)
  const cached = () => readdirSync(join(chain.cachePath, id!)).map(name => join(chain.cachePath, id!, name))
  assert.equal(cached().length, 2)
  const damages: Record<string, (path: string) => void> = {
    remove: path => rmSync(path),
    cut: path => truncateSync(path, 10),
    lengthen: path => appendFileSync(path, 'x'),
    flip: path => flipByte(path, 10),
    'flip in the middle': path => flipByte(path, statSync(path).size >> 1),
    'flip at the end': path => flipByte(path, statSync(path).size - 40),
    zero: path => writeFileSync(path, Buffer.alloc(statSync(path).size))
  }
  const readers: Record<string, () => Promise<unknown>> = {
    incremental: async () => {
      editSigned(chain)
      assert.ok((await chain.incremental()).files.some(({ kind }) => kind === 'updated'))
    },
    list: () => collect(listBackups('key', chain.options)),
    ls: () => collect(listEntries('key', chain.options)),
    restore: () => chain.assertRestores(chain.reports.at(-1)!.date)
  }
  for (const [damage, hurt] of Object.entries(damages)) {
    for (const [reader, read] of Object.entries(readers)) {
      for (const path of cached()) hurt(path)
      await assert.doesNotReject(read(), `${damage}, then ${reader}`)
    }
  }
  for (const path of cached()) flipByte(path, 10)
  await chain.full()
  rmSync(chain.cachePath, { recursive: true })
  for (const { date } of chain.reports) await chain.assertRestores(date)
})

test('a damaged sigvault in the store costs the deltas, not the run', RSYNC, async t => {
  for (const codec of [undefined, none()]) {
    const chain = makeChain(t, { cache: false, codec })
    await chain.full()
    const sigvault = chain.artifact('sigvault', '')
    writeFileSync(sigvault, Buffer.alloc(statSync(sigvault).size, 7))
    editSigned(chain)
    assert.deepEqual((await chain.incremental()).files.map(({ kind }) => kind).sort(), ['created', 'sigvault', 'state'])
    for (const { date } of chain.reports) await chain.assertRestores(date)
  }
})

test('a cache that fails, at once or half-way, is done without', RSYNC, async t => {
  const failures: Record<string, (cache: Store) => Partial<Store>> = {
    list: () => ({ list: failingSource }),
    get: () => ({ get: failingSource }),
    'get half-way': cache => ({
      async *get(name, range, options) {
        for await (const chunk of cache.get(name, range, options)) {
          yield chunk.subarray(0, chunk.length >> 1)
          yield* failingSource()
        }
      }
    }),
    put: () => ({ put: fail }),
    delete: () => ({ delete: fail })
  }
  for (const [call, make] of Object.entries(failures)) {
    const good = memoryStore()
    let isFailing = false
    const cache = replaceCalls(good, () => (isFailing ? make(good) : {}))
    const chain = makeChain(t, { cache })
    await chain.full()
    isFailing = true
    editSigned(chain)
    await assert.doesNotReject(chain.incremental(), call)
    await assert.doesNotReject(chain.full(), call)
    for (const { date } of chain.reports) await chain.assertRestores(date)
    assert.equal((await collect(listBackups('key', chain.options))).length, 3, call)
  }
})

test('what cannot be removed behind a backup is reported, and the backup stands', async t => {
  const store = memoryStore()
  const remove = async (name: string) => {
    if (name.includes('sigvault')) throw new BackupError('IBT_STORE_FAILED', `Cannot delete ${name}`, { path: name })
    return store.delete(name)
  }
  const chain = makeChain(t, { store: replaceCalls(store, () => ({ delete: remove })), cache: false })
  const run = { ...chain.options, deleteOldSigvaults: true }
  await fullBackup(chain.source, run)
  const errors: BackupError[] = []
  const { isStored } = await fullBackup(chain.source, { ...run, onError: error => errors.push(error) })
  assert.deepEqual([isStored, errors.map(({ code }) => code)], [true, ['IBT_STORE_FAILED']])
})

/** A store of which some calls are others, decided anew at each call. */
function replaceCalls(store: Store, others: () => Partial<Store>): Store {
  const call = <Name extends 'put' | 'get' | 'list' | 'delete'>(name: Name): Store[Name] =>
    ((...args: []) => ((others()[name] ?? store[name]) as (...args: []) => unknown).call(store, ...args)) as Store[Name]
  return { id: store.id, put: call('put'), get: call('get'), list: call('list'), delete: call('delete') }
}

async function fail(): Promise<never> {
  throw new Error('The cache fails')
}

// biome-ignore lint/correctness/useYield: it never comes to that.
async function* failingSource(): AsyncGenerator<never, void, undefined> {
  await fail()
}
