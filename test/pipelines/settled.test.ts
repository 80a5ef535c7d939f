import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { autoBackup, verifyBackup } from '../../src/index.js'
import { memoryStore } from '../../src/stores/index.js'
import type { Source, Store } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

/** Whatever is written into stores is told, and takes its time. */
class Writes {
  readonly seen: string[] = []
  onWrite: (() => void) | undefined

  tell(what: string): void {
    this.seen.push(what)
    this.onWrite?.()
  }

  /** A store whose writes are seen: each call, and each chunk that a call takes. */
  watch(store: Store, id: string): Store {
    const told = async function* (this: Writes, name: string, source: Source<Uint8Array>) {
      for await (const chunk of source) {
        this.tell(`${id}: a chunk of ${name}`)
        await setTimeout(1)
        yield chunk
      }
    }.bind(this)
    const tell = (what: string) => this.tell(`${id}: ${what}`)
    return {
      id,
      async put(name, source, options) {
        tell(`put ${name}`)
        await store.put(name, told(name, source), options)
        await setTimeout(1)
        tell(`stored ${name}`)
      },
      get: (name, range, options) => store.get(name, range, options),
      list: (prefix, options) => store.list(prefix, options),
      async delete(name, options) {
        await setTimeout(1)
        tell(`delete ${name}`)
        await store.delete(name, options)
      },
      async create(name, bytes, options) {
        tell(`create ${name}`)
        return store.create!(name, bytes, options)
      }
    }
  }
}

function makeSource(t: TestContext): string {
  const source = temporaryDirectory(t)
  const random = createRandom(1)
  mkdirSync(join(source, 'd'))
  for (let i = 0; i < 10; i++) writeFileSync(join(source, `d/f${i}`), random.bytes(400_000))
  writeFileSync(join(source, 'large'), random.bytes(9_000_000))
  return source
}

/** Ends runs at their nth write. One that goes on has lost no more than its cache. */
async function endAtEveryWrite(t: TestContext, end: (controller: AbortController) => void): Promise<void> {
  const source = makeSource(t)
  const [store, cache] = [memoryStore(), memoryStore()]
  let ended = 0
  for (let n = 1; n < 60; n += 3) {
    const writes = new Writes()
    const controller = new AbortController()
    let left = n
    writes.onWrite = () => {
      if (--left === 0) end(controller)
    }
    const places = { store: writes.watch(store, 'store'), cache: writes.watch(cache, 'cache') }
    const failed = await autoBackup(source, { ...places, key: 'key', signal: controller.signal }).then(
      () => undefined,
      error => error
    )
    const isEnded = failed !== undefined
    if (isEnded) ended++
    const atEnd = [...writes.seen]
    await setTimeout(50)
    assert.deepEqual(writes.seen.slice(atEnd.length), [], `after the run that ended at write ${n}`)
    // A lock stays if its release is what failed.
    if (writes.seen[n - 1] === 'store: delete key.lock') await store.delete('key.lock')
    const stored = (await collect(store.list())).map(({ name }) => name)
    assert.ok(!stored.includes('key.lock'), `after the run that ended at ${writes.seen[n - 1]}`)
    if (isEnded && !stored.some(name => name.includes('.state.'))) assert.deepEqual(stored, [])
    if (stored.length > 0) {
      const { problems } = await verifyBackup('key', { store, cache: false, readData: true })
      assert.deepEqual(problems, [])
      appendFileSync(join(source, 'd/f1'), 'more')
    }
  }
  assert.ok(ended > 3, `${ended} runs were ended`)
}

test('after an abort has rejected a run, nothing is written into the store or the cache', { timeout: 300_000 }, t =>
  endAtEveryWrite(t, controller => controller.abort(new Error('enough')))
)

test('after an error has rejected a run, nothing is written into the store or the cache', { timeout: 300_000 }, t =>
  endAtEveryWrite(t, () => {
    throw new Error('The store fails')
  })
)
