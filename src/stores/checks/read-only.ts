import assert from 'node:assert/strict'
import type { Store, StoredName } from '../../types.js'
import { checkStoredName, compareStoredNames } from '../stored-name.js'
import { type Checks, readBytes } from './checks.js'

/** A content that is read as a whole has so many bytes at most. */
const READ_BYTES_MAX = 16 * 1024 * 1024
/** Names whose contents are read, at most. */
const NAMES_READ = 5

/** The promises of a store that can only be read, tried with what is in it. */
export function readOnlyChecks(store: Store): Checks {
  return {
    'lists valid names, each once, in the order of their bytes': async () => {
      const names = (await listed(store)).map(({ name }) => name)
      for (const name of names) checkStoredName(name)
      assert.deepEqual(names, [...new Set(names)].sort(compareStoredNames))
    },

    'lists the same again, and for a prefix the names that begin with it': async () => {
      const all = await listed(store)
      for (const { name } of all.slice(0, NAMES_READ)) {
        const prefix = name.slice(0, Math.ceil(name.length / 2)).toWellFormed()
        assert.deepEqual(
          await listed(store, prefix),
          all.filter(other => other.name.startsWith(prefix))
        )
      }
      assert.deepEqual(await listed(store, 'no name begins with this'), [])
    },

    'gives as many bytes as it lists': async () => {
      for (const { name, sizeBytes } of await someOf(store))
        assert.equal((await readBytes(store, name)).length, sizeBytes)
    },

    'gives any range, and up to the end where a range ends behind it': async () => {
      for (const { name, sizeBytes } of await someOf(store)) {
        const whole = await readBytes(store, name)
        const [third, half] = [Math.floor(sizeBytes / 3), Math.floor(sizeBytes / 2)]
        const ranges = [
          [0, 1],
          [third, half],
          [half, sizeBytes],
          [Math.max(0, sizeBytes - 1), sizeBytes + 99]
        ] as const
        for (const [start, end] of [...ranges, [sizeBytes, sizeBytes + 1], [sizeBytes + 5, sizeBytes + 9]] as const) {
          const found = await readBytes(store, name, { start, end })
          assert.ok(found.equals(whole.subarray(start, end)), `${name}, bytes ${start} to ${end}`)
        }
      }
    },

    'says in its error that a name is missing': async () => {
      await assert.rejects(readBytes(store, 'ibt-validate-missing'), {
        code: 'IBT_NOT_FOUND',
        path: 'ibt-validate-missing'
      })
      const range = { start: 0, end: 1 }
      await assert.rejects(readBytes(store, 'ibt-validate-missing', range), { code: 'IBT_NOT_FOUND' })
    },

    'refuses to write and to delete': async () => {
      await assert.rejects(store.put('ibt-validate-new', [Buffer.from('x')]), { code: 'IBT_NOT_ALLOWED' })
      await assert.rejects(store.delete('ibt-validate-new'), { code: 'IBT_NOT_ALLOWED' })
    },

    'has a signal that is aborted end every call': async () => {
      const reason = new Error('Enough')
      const aborted = AbortSignal.abort(reason)
      const [first] = await someOf(store)
      await assert.rejects(listed(store, '', aborted), error => error === reason)
      if (first === undefined) return
      await assert.rejects(readBytes(store, first.name, undefined, aborted), error => error === reason)
      const controller = new AbortController()
      const reading = readBytes(store, first.name, undefined, controller.signal)
      controller.abort(reason)
      await assert.rejects(reading, error => error === reason)
    }
  }
}

async function listed(store: Store, prefix?: string, signal?: AbortSignal): Promise<StoredName[]> {
  const found: StoredName[] = []
  for await (const stored of store.list(prefix, { signal })) found.push(stored)
  return found
}

/** Not too large to be read as a whole, the largest first. */
async function someOf(store: Store): Promise<StoredName[]> {
  const some = (await listed(store)).filter(({ sizeBytes }) => sizeBytes <= READ_BYTES_MAX)
  return some.sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, NAMES_READ)
}
