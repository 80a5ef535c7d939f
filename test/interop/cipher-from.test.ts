import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createCipheriv, createDecipheriv } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { catEntry, verifyBackup } from '../../src/index.js'
import { cipherFrom } from '../../src/interop/index.js'
import type { Cipher } from '../../src/types.js'
import { NaiveChain } from '../helpers/chain.js'
import { bytesOf, code } from '../helpers/entries.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

/** gpg with a passphrase in a file, and a home of its own. */
function gpg(t: TestContext, passphrase = 'correct horse'): Cipher {
  const home = temporaryDirectory(t)
  const env = { ...process.env, GNUPGHOME: home }
  t.after(() => spawnSync('gpgconf', ['--kill', 'all'], { env }))
  writeFileSync(join(home, 'passphrase'), passphrase, { mode: 0o600 })
  const common = ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase-file', join(home, 'passphrase')]
  return cipherFrom({
    suffix: '.gpg',
    seal: () => spawn('gpg', [...common, '--symmetric', '--compress-algo', 'none'], { env }),
    open: () => spawn('gpg', [...common, '--decrypt'], { env })
  })
}

async function makeChain(t: TestContext, encrypt: Cipher): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t), { cache: false, encrypt })
  const body = createRandom(1).bytes(300_000)
  writeFileSync(join(chain.source, 'file'), body)
  await chain.full()
  body[1000]! ^= 1
  writeFileSync(join(chain.source, 'file'), body)
  await chain.incremental()
  return chain
}

async function assertLives(chain: NaiveChain, cipher: Cipher): Promise<void> {
  const options = { store: chain.storePath, cache: false as const, codecs: [cipher] }
  for (const { date } of chain.reports) await chain.assertRestores(date, options)
  assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
  const body = await bytesOf(catEntry('key', 'file', options))
  assert.ok(body.equals(readFileSync(join(chain.source, 'file'))))
}

test(
  'a chain goes through gpg and comes back; what it says of a wrong passphrase is in the error',
  oracle('gpg', 'gpgconf', 'rsync'),
  async t => {
    const cipher = gpg(t)
    const chain = await makeChain(t, cipher)
    await assertLives(chain, cipher)
    const { date } = chain.reports[0]!
    const state = readFileSync(chain.artifact('state', date))
    assert.match(chain.artifact('state', date), /\.json\.zst\.gpg$/)
    await assert.rejects(bytesOf(gpg(t, 'other').open([state], 'state')), error => {
      assert.match((error as Error).message, /^Cannot decrypt state: .*gpg: decryption failed/s)
      return code('IBT_ARCHIVE_CORRUPT')(error)
    })
    await assert.rejects(bytesOf(cipher.open([state.subarray(0, -30)], 'state')), code('IBT_ARCHIVE_CORRUPT'))
  }
)

test("Node's transforms make a cipher", async t => {
  const [key, iv] = [Buffer.alloc(32, 1), Buffer.alloc(16, 2)]
  const cipher = cipherFrom({
    suffix: '.ctr',
    seal: () => createCipheriv('aes-256-ctr', key, iv),
    open: () => createDecipheriv('aes-256-ctr', key, iv)
  })
  await assertLives(await makeChain(t, cipher), cipher)
})

test('a source that fails kills the program: half an artifact never looks whole', oracle('cat'), async () => {
  const error = new Error('of the source')
  const children: ReturnType<typeof spawn>[] = []
  const cipher = cipherFrom({
    suffix: '.cat',
    seal: () => {
      const child = spawn('cat')
      children.push(child)
      return child
    }
  })
  async function* failing() {
    yield Buffer.from('half')
    throw error
  }
  await assert.rejects(bytesOf(cipher.seal(failing(), {})), thrown => thrown === error)
  assert.equal(children[0]!.signalCode, 'SIGKILL')
  for await (const _ of cipher.seal([createRandom(1).bytes(5_000_000)], {})) break
  // Its output is closed first: it may also end by SIGPIPE, or say that the connection was reset.
  const { exitCode, signalCode } = children[1]!
  assert.ok(signalCode !== null || exitCode! > 0, `it ended with ${exitCode}`)
  await assert.rejects(
    bytesOf(
      (async function* () {
        yield* cipher.open([], 'name')
      })()
    ),
    code('IBT_KEY_MISSING')
  )
})

test('a program that is missing, fails or stops reading is an error', oracle('sh'), async () => {
  const large = [createRandom(1).bytes(5_000_000)]
  const by = (...command: [string, string[]]) =>
    cipherFrom({ suffix: '.x', seal: () => spawn(...command), open: () => spawn(...command) })
  const missing = by('no-such-program', [])
  await assert.rejects(bytesOf(missing.seal(large, { name: 'n' })), code('IBT_WRITE_FAILED'))
  await assert.rejects(bytesOf(missing.open(large, 'n')), code('IBT_READ_FAILED'))
  const failing = by('sh', ['-c', 'cat; echo "no key" >&2; exit 3'])
  await assert.rejects(bytesOf(failing.seal(large, { name: 'n' })), {
    code: 'IBT_WRITE_FAILED',
    message: 'Cannot encrypt n: the program ended with 3: no key'
  })
  const early = by('sh', ['-c', 'head -c 10'])
  await assert.rejects(bytesOf(early.seal(large, {})))
  assert.throws(() => cipherFrom({ suffix: '.x' } as never), TypeError)
})
