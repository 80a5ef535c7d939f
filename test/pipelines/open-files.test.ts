import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { listEntries, mergeBackups } from '../../src/index.js'
import { directoryStore } from '../../src/stores/index.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Store } from '../../src/types.js'
import { NaiveChain } from '../helpers/chain.js'
import { collect } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { Tree } from '../helpers/tree.js'
import { temporaryDirectory } from '../native/tree.js'

const MIB = 1024 * 1024

/** A store that knows which of its artifacts are being read. */
function watchGets(real: Store): { readonly store: Store; readonly open: Set<string> } {
  const open = new Set<string>()
  const store = wrapStore(real, {
    async *get(name, range, options) {
      open.add(name)
      try {
        yield* real.get(name, range, options)
      } finally {
        open.delete(name)
      }
    }
  })
  return { store, open }
}

/** Files that were left open until the garbage collector found them, while `work` ran. */
async function foundByCollector(work: () => Promise<void>): Promise<string[]> {
  const found: string[] = []
  const onWarning = ({ message }: Error) => {
    if (message.includes('garbage collection')) found.push(message)
  }
  process.on('warning', onWarning)
  await work()
  for (let i = 0; i < 3; i++) {
    globalThis.gc!()
    await setTimeout(10)
  }
  process.off('warning', onWarning)
  return found
}

test('a merged state that no entry leads to is closed when the state that builds on it has been read', async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const tree = new Tree(chain.source, 1)
  tree.file('goes', 50_000)
  await chain.full()
  tree.splice('goes', 100, 0, 10)
  const { date } = await chain.incremental()
  tree.remove('goes')
  await chain.incremental({ allowShrink: true })
  await mergeBackups('key', { ...chain.options, at: date })
  const { store, open } = watchGets(directoryStore(chain.storePath))
  const entries = await collect(listEntries('key', { store, cache: false }))
  assert.deepEqual(
    entries.map(({ path }) => path),
    ['.']
  )
  assert.deepEqual([...open], [])
  for await (const { path } of listEntries('key', { store, cache: false })) if (path === '.') break
  assert.deepEqual([...open], [])
})

test('a fold that fails before a delta on disk is read closes it', oracle('rsync'), async t => {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false })
  const tree = new Tree(chain.source, 2)
  tree.file('a', MIB)
  tree.file('b', 30 * MIB)
  const { date: from } = await chain.full()
  for (let i = 0; i < 2; i++) {
    tree.splice('a', 1000, 10, 200_000)
    tree.splice('b', (3 + 12 * i) * MIB, 5 * MIB, 5 * MIB)
    await chain.incremental()
  }
  const real = directoryStore(chain.storePath)
  const failing = wrapStore(real, {
    put: (name, source, options) =>
      name.includes('.updated.') ? Promise.reject(new Error('no room')) : real.put(name, source, options)
  })
  const options = { ...chain.options, store: failing, from, segmentBytes: 1 }
  const found = await foundByCollector(() => assert.rejects(mergeBackups('key', options), /no room/))
  assert.deepEqual(found, [])
})
