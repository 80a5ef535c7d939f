import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fullBackup, listBackups, restoreBackup, verifyBackup } from '../../src/index.js'
import { httpStore } from '../../src/stores/http/index.js'
import { directoryStore, storeConformance, validateStore, wrapStore } from '../../src/stores/index.js'
import type { Store } from '../../src/types.js'
import { collect } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { startApache, startNginx, startPython, type WebServer } from '../helpers/web-servers.js'

/** Servers that know nothing of this package give what a directory store has written. */
const SERVERS = {
  'nginx, JSON': { command: 'nginx', start: startNginx },
  'nginx, pages': {
    command: 'nginx',
    start: (root: string, work: string) => startNginx(root, work, { format: 'html' })
  },
  Apache: { command: 'apache2', start: startApache },
  "Python's http.server": { command: 'python3', start: startPython }
}

for (const [name, { command, start }] of Object.entries(SERVERS)) {
  describe(name, oracle(command), () => {
    const base = mkdtempSync(join(tmpdir(), 'ibt-web-'))
    const root = join(base, 'root')
    let server: WebServer
    before(async () => {
      mkdirSync(join(root, 'unlisted'), { recursive: true })
      server = await start(root, join(base, 'work'))
    })
    after(async () => {
      await server.close()
      rmSync(base, { recursive: true })
    })
    const served = (directory: string) => httpStore({ url: server.url + directory, retryDelayMs: 1 })

    const stores = new Map<Store, string>()
    const makeStore = () => {
      const path = mkdtempSync(join(root, 'store-'))
      const { put, delete: remove, create } = directoryStore(path)
      const store = wrapStore(served(basename(path)), { put, delete: remove, create })
      stores.set(store, path)
      return store
    }
    storeConformance(name, makeStore, { test, teardown: store => rmSync(stores.get(store)!, { recursive: true }) })

    test('backups are listed, verified and restored, and nothing is written', async () => {
      const store = join(root, 'backups')
      const source = join(base, 'source')
      mkdirSync(source)
      for (let i = 0; i < 20; i++) writeFileSync(join(source, `file ${i}`), `${i}`.repeat(100_000))
      await fullBackup(source, { store, cache: false, key: 'key' })
      const names = readdirSync(store)
      const there = { store: `${server.url}backups`, cache: join(base, 'cache') }
      assert.equal((await collect(listBackups('key', there))).length, 1)
      assert.deepEqual((await verifyBackup('key', { ...there, readData: true })).problems, [])
      await restoreBackup('key', join(base, 'out'), there)
      assert.deepEqual(readdirSync(join(base, 'out')), readdirSync(source))
      await assert.rejects(fullBackup(source, { ...there, key: 'key' }), { code: 'IBT_NOT_ALLOWED' })
      await assert.rejects(served('backups').delete(names[0]!), { code: 'IBT_NOT_ALLOWED' })
      assert.deepEqual(readdirSync(store), names)
      const { isReadOnly, promises } = await validateStore(served('backups'))
      assert.ok(isReadOnly && promises.every(({ outcome }) => outcome === 'kept'), JSON.stringify(promises))
    })

    test('a directory that is not there is told from one that is not listed', async () => {
      await assert.rejects(collect(served('nowhere').list()), { code: 'IBT_NOT_FOUND' })
      if (name !== 'nginx, JSON') return
      writeFileSync(join(root, 'unlisted/a'), 'abc')
      await assert.rejects(collect(served('unlisted').list()), {
        code: 'IBT_STORE_FAILED',
        message: /autoindex_format json/
      })
      writeFileSync(join(root, 'unlisted/index.json'), '[{"name":"b","size":2},{"name":"a","size":3}]')
      assert.deepEqual(await collect(served('unlisted').list()), [
        { name: 'a', sizeBytes: 3 },
        { name: 'b', sizeBytes: 2 }
      ])
    })
  })
}
