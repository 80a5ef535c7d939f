import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { age } from '../../../src/age/index.js'
import {
  type BackupError,
  gzip,
  type ReceiveOptions,
  receiveBackup,
  restoreBackup,
  type SendOptions,
  type Store,
  sendBackup,
  verifyBackup
} from '../../../src/index.js'
import { memoryStore } from '../../../src/stores/index.js'
import { collect } from '../../helpers/entries.js'
import { type FarLineOptions, farLine } from '../../helpers/far-line.js'
import { assertSameTree } from '../../helpers/judges.js'
import { makeKeyPair } from '../../helpers/keys.js'
import { oracle } from '../../helpers/oracle.js'
import { createRandom } from '../../helpers/random.js'
import { temporaryDirectory } from '../../native/tree.js'

const KEY = 'key'
const pair = await makeKeyPair()
const reader = age({ identities: [pair.identity] })

/** A directory, one file of it large enough for deltas, and enough names for several frames of the state. */
function makeSource(t: TestContext): string {
  const source = join(temporaryDirectory(t), 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'large'), createRandom(1).bytes(1_500_000))
  for (let i = 0; i < 2500; i++) writeFileSync(join(source, `${i} ${'x'.repeat(200)}`), `${i % 7}`)
  return source
}

async function exchange(
  source: string,
  receive: ReceiveOptions,
  { send, line }: { readonly send?: SendOptions; readonly line?: FarLineOptions } = {}
) {
  const { near, far } = farLine(line)
  const [sent, received] = await Promise.allSettled([
    sendBackup(near, source, { key: KEY, ...send }),
    receiveBackup(far, { cache: false, ...receive })
  ])
  const codes = [sent, received].map(end => (end.status === 'rejected' ? (end.reason as BackupError).code : undefined))
  return { codes, report: received.status === 'fulfilled' ? received.value : undefined }
}

const names = async (store: Store) => (await collect(store.list(`${KEY}.`))).map(({ name }) => name)

async function assertRestores(t: TestContext, store: Store, source: string): Promise<void> {
  const out = join(temporaryDirectory(t), 'out')
  const options = { store, cache: false, codecs: [reader] } as const
  await restoreBackup(KEY, out, options)
  assertSameTree(out, source)
  assert.deepEqual((await verifyBackup(KEY, { ...options, readData: true })).problems, [])
}

test('a receiver encrypts what it stores, with an identity or with local state alone', oracle('rsync'), async t => {
  const source = makeSource(t)
  const local = temporaryDirectory(t)
  const makeWriting = {
    identity: () => ({ encrypt: age({ recipients: [pair.recipient], identities: [pair.identity] }) }),
    'local state': () => ({ encrypt: age({ recipients: [pair.recipient], localState: local }), localState: local })
  }
  for (const [name, writing] of Object.entries(makeWriting)) {
    const store = memoryStore()
    for (const [i, kind] of ['full', 'incremental', 'incremental'].entries()) {
      appendFileSync(join(source, 'large'), `${name} ${i}`)
      const send = i === 1 ? { codec: gzip() } : {}
      const { codes, report } = await exchange(source, { store, ...writing() }, { send })
      assert.deepEqual(codes, [undefined, undefined], name)
      assert.equal(report!.kind, kind)
      assert.ok(report!.storedBytes < (i === 0 ? 3_000_000 : 600_000), `${report!.storedBytes}`)
      const suffix = i === 1 ? '.gz.age' : '.zst.age'
      assert.ok(report!.files.every(({ name }) => name.endsWith(suffix)))
    }
    assert.ok((await names(store)).every(name => name.endsWith('.age')))
    await assertRestores(t, store, source)
    const plain = await exchange(source, { store, codecs: [reader] })
    assert.deepEqual(plain.codes, ['IBT_NOT_ENCRYPTED', 'IBT_NOT_ENCRYPTED'])
  }
})

test('what is cut leaves nothing, and a receiver that can read nothing says so', async t => {
  const source = makeSource(t)
  const store = memoryStore()
  const encrypt = age({ recipients: [pair.recipient] })
  for (const bytes of [100_000, 900_000, 1_500_000]) {
    const { codes } = await exchange(source, { store, encrypt }, { line: { cutAfter: { from: 'near', bytes } } })
    assert.deepEqual(codes[1], 'IBT_CONNECTION_LOST')
    assert.deepEqual(await names(store), [])
  }
  assert.deepEqual((await exchange(source, { store, encrypt })).codes, [undefined, undefined])
  assert.deepEqual((await exchange(source, { store, encrypt })).codes, ['IBT_KEY_MISSING', 'IBT_KEY_MISSING'])
})
