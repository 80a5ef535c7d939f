import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fullBackup, restoreBackup } from '../../src/index.js'
import { temporaryName } from '../../src/native/temporary-name.js'
import { code } from '../helpers/entries.js'
import { randomBytes, temporaryDirectory } from '../native/tree.js'

const INDEX = new URL('../../src/index.js', import.meta.url).href
const STORES = new URL('../../src/stores/index.js', import.meta.url).href

const temporaries = (directory: string) => readdirSync(directory).filter(name => name.startsWith('.ibt-'))

test('a restore removes what a killed one has left, and nothing that may be in use', async t => {
  const base = temporaryDirectory(t)
  const [source, store, to] = ['source', 'store', 'to'].map(name => join(base, name)) as [string, string, string]
  mkdirSync(join(source, 'd'), { recursive: true })
  writeFileSync(join(source, 'd/large'), randomBytes(20 << 20, 1))
  await fullBackup(source, { store, cache: false, key: 'key' })
  // Its archive comes up to the middle.
  const script = `
    import { restoreBackup } from ${JSON.stringify(INDEX)}
    import { directoryStore, wrapStore } from ${JSON.stringify(STORES)}
    const real = directoryStore(${JSON.stringify(store)})
    let given = 0
    const store = wrapStore(real, {
      async *get(name, range, options) {
        for await (const chunk of real.get(name, range, options)) {
          if (name.includes('.full.') && (given += chunk.length) > 12e6) await new Promise(() => {})
          yield chunk
        }
      }
    })
    setInterval(() => {}, 1000)
    await restoreBackup('key', ${JSON.stringify(to)}, { store, cache: false })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'ignore', 'inherit']
  })
  t.after(() => child.kill('SIGKILL'))
  while (!existsSync(join(to, 'd')) || temporaries(join(to, 'd')).length === 0) {
    assert.equal(child.exitCode, null)
    await setTimeout(10)
  }
  const [left] = temporaries(join(to, 'd'))
  const restore = () => restoreBackup('key', to, { store, cache: false, overwrite: 'always' })
  await assert.rejects(restoreBackup('key', to, { store, cache: false }), code('IBT_NOT_EMPTY'))
  // It is still under way.
  await restore()
  assert.deepEqual(temporaries(join(to, 'd')), [left])
  child.kill('SIGKILL')
  await once(child, 'exit')

  const own = await temporaryName()
  const parts = own.split('-')
  const named = (i: number, text: string) => parts.map((part, at) => (at === i ? text : part)).join('-')
  const [elsewhere, young, old] = [named(1, '00000000'), named(2, '00000000'), named(2, '00000001')]
  const others = [own, elsewhere, young, '.ibt-0123456789abcdef.tmp', '.ibt-notes.tmp']
  for (const name of [...others, old]) writeFileSync(join(to, 'd', name), 'text')
  const longAgo = Date.now() / 1000 - 25 * 60 * 60
  for (const name of [old, elsewhere]) utimesSync(join(to, 'd', name), longAgo, longAgo)
  const { deletedEntries } = await restore()
  assert.deepEqual(readdirSync(join(to, 'd')).sort(), [...others, 'large'].sort())
  assert.equal(deletedEntries, 0)
})
