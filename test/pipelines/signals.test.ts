import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fullBackup, incrementalBackup, listBackups, restoreBackup, verifyBackup } from '../../src/index.js'
import { memoryStore } from '../../src/stores/index.js'
import type { Store, StoreOptions } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { temporaryDirectory } from '../native/tree.js'

const CALLS = ['put', 'get', 'list', 'delete', 'create'] as const

test('every call of a store can be aborted', async t => {
  const store = memoryStore()
  const deaf: string[] = []
  const heard = Object.fromEntries(
    CALLS.map(call => [
      call,
      (name: string, ...args: unknown[]) => {
        const { signal } = (args.at(-1) ?? {}) as StoreOptions
        if (signal === undefined) deaf.push(`${call} ${name}`)
        return (store[call] as (...args: unknown[]) => unknown).call(store, name, ...args)
      }
    ])
  ) as unknown as Store
  const options = {
    store: { ...heard, id: 'id' },
    cache: false,
    key: 'key',
    signal: new AbortController().signal
  } as const
  const source = temporaryDirectory(t)
  writeFileSync(join(source, 'file'), 'content')
  await fullBackup(source, options)
  await incrementalBackup(source, options)
  await fullBackup(source, { ...options, deleteOldSigvaults: true })
  await collect(listBackups(undefined, options))
  await verifyBackup('key', { ...options, readData: true })
  await restoreBackup('key', join(temporaryDirectory(t), 'out'), options)
  assert.deepEqual(deaf, [])
})
