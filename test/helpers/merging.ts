import { closeSync, cpSync, mkdirSync, openSync, readdirSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  type MergeOptions,
  type MergeReport,
  mergeBackups,
  parseArtifactName,
  type RunOptions
} from '../../src/index.js'
import { directoryStore } from '../../src/stores/index.js'
import { wrapStore } from '../../src/stores/wrap-store.js'
import type { Store } from '../../src/types.js'
import { temporaryDirectory } from '../native/tree.js'
import { NaiveChain } from './chain.js'
import { Tree } from './tree.js'

/** Bodies of so many bytes make a segment: two or three files. */
export const SMALL_SEGMENT = 40_000

/** A full and three increments: deltas, a rename, hard links in several directories, a sparse file. */
export async function makeSegmented(t: TestContext, options: RunOptions = {}): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, ...options })
  const tree = new Tree(chain.source, 3)
  for (const directory of ['a', 'b', 'c', 'd', 'e']) {
    tree.directory(directory)
    for (const name of ['one', 'two']) tree.file(`${directory}/${name}`, 30_000)
    if (directory !== 'a') tree.link(`${directory}/hard`, 'a/one')
  }
  tree.file('b/empty', 0)
  tree.symlink('link', 'a/one')
  const sparse = openSync(tree.at('sparse'), 'w')
  writeSync(sparse, tree.random(5000), 0, 5000, 300_000)
  closeSync(sparse)
  await chain.full()
  tree.splice('a/one', 100, 10, 20)
  tree.splice('c/two', 5000, 0, 300)
  await chain.incremental()
  tree.rename('b/two', 'e/moved')
  tree.splice('d/one', 9000, 50, 60)
  tree.file('c/new', 25_000)
  await chain.incremental()
  tree.splice('c/two', 500, 20, 30)
  tree.splice('e/moved', 500, 20, 30)
  await chain.incremental()
  return chain
}

/** Merges without a cache in small segments. */
export function mergeSmall(chain: NaiveChain, options: MergeOptions = {}): Promise<MergeReport> {
  return mergeBackups('key', { ...chain.options, cache: false, segmentBytes: SMALL_SEGMENT, ...options })
}

/** Names of the records of segments. */
export function records(chain: NaiveChain): string[] {
  return chain.stored('segment')
}

/** A store whose process is killed when it begins with one put more than `puts`: nothing of what it does is done any more. */
export function killedAfter(store: Store, puts: number): Store {
  let left = puts
  const isLock = (name: string) => name.includes('.lock')
  return wrapStore(store, {
    async put(name, source, options) {
      if (isLock(name)) return store.put(name, source, options)
      if (left-- <= 0) throw new Error('killed')
      await store.put(name, source, options)
    },
    async delete(name, options) {
      if (left < 0 && !isLock(name)) throw new Error('killed')
      await store.delete(name, options)
    }
  })
}

/** A store that remembers what is put. */
export function puttingStore(chain: NaiveChain): { readonly store: Store; readonly puts: string[] } {
  const real = directoryStore(chain.storePath)
  const puts: string[] = []
  const store = wrapStore(real, {
    async put(name, source, options) {
      if (parseArtifactName(name) !== undefined || name.includes('.segment.')) puts.push(name)
      await real.put(name, source, options)
    }
  })
  return { store, puts }
}

/** Puts the store back as it was. */
export function keepStore(chain: NaiveChain): () => void {
  const copy = join(chain.base, 'kept store')
  rmSync(copy, { recursive: true, force: true })
  cpSync(chain.storePath, copy, { recursive: true, preserveTimestamps: true })
  return () => {
    for (const name of readdirSync(chain.storePath)) rmSync(join(chain.storePath, name), { recursive: true })
    mkdirSync(chain.storePath, { recursive: true })
    cpSync(copy, chain.storePath, { recursive: true, preserveTimestamps: true })
  }
}
