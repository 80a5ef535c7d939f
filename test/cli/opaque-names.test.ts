import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { copyBackups, listBackups, pruneBackups, restoreBackup, verifyBackup } from '../../src/index.js'
import { directoryStore, opaqueNames } from '../../src/stores/index.js'
import { Desk } from '../helpers/desk.js'
import { collect } from '../helpers/entries.js'
import { assertSameTree, run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'

const SECRET = 'c2VjcmV0IG9mIHRoZSBuYW1lcw'

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/file'), 'content '.repeat(10_000))
  writeFileSync(desk.at('names.txt'), `${SECRET}\n`)
  writeFileSync(desk.at('other.txt'), 'another secret, of the same length')
  return desk
}

const done = ({ status, stderr, stdout }: ReturnType<Desk['ibt']>) => {
  assert.equal(status, 0, stderr)
  return stdout
}
const names = (desk: Desk, store = 'store') => readdirSync(desk.at(store))
const OPAQUE = ['--opaque-names', 'names.txt'] as const

test('--opaque-names encrypts every name, and a store is not begun anew without the right secret', t => {
  const desk = makeDesk(t)
  done(desk.ibt('backup', 'src', ...OPAQUE))
  appendFileSync(desk.at('src/file'), 'more')
  done(desk.ibt('backup', 'src', ...OPAQUE))
  const before = names(desk)
  assert.equal(before.length, 6)
  for (const name of before) assert.match(name, /^n[\w-]+$/)
  const listed = done(desk.ibt('list', ...OPAQUE))
  assert.match(listed, /src .* full .*\n.*src .* incremental/)

  // Missing, and another one: nothing is stored, and the message says why.
  const missing = desk.ibt('backup', 'src')
  assert.equal(missing.status, 5)
  assert.match(missing.stderr, /names of the backups in the store are encrypted.*--opaque-names.*IBT_OPAQUE_NAMES/s)
  const wrong = desk.ibt('full', 'src', '--opaque-names', 'other.txt')
  assert.equal(wrong.status, 5)
  assert.match(wrong.stderr, /names of the backups in .*store are encrypted with another secret/)
  assert.match(desk.ibt('list').stderr, /whose names are encrypted: --opaque-names FILE reads them/)
  assert.match(desk.ibt('restore', 'src', 'out').stderr, /No backup of src.*--opaque-names FILE reads them/s)
  assert.deepEqual(names(desk), before)

  // The option on a store with plain names.
  done(desk.ibt('backup', 'src', '--store', 'plain'))
  const plain = names(desk, 'plain')
  for (const command of [['backup', 'src'], ['list'], ['verify', 'src'], ['prune', 'src', '--keep-last', '1']]) {
    const { status, stderr } = desk.ibt(...command, '--store', 'plain', ...OPAQUE)
    assert.equal(status, 5, stderr)
    assert.match(stderr, /are plain names: do without a secret/)
  }
  assert.deepEqual(names(desk, 'plain'), plain)

  writeFileSync(desk.at('short.txt'), 'short\n')
  const short = desk.ibt('list', '--opaque-names', 'short.txt')
  assert.deepEqual([short.status, /short.txt has fewer than 16 bytes/.test(short.stderr)], [2, true])
  assert.equal(desk.ibt('list', '--opaque-names', 'nosuch.txt').status, 2)
  assert.doesNotMatch(missing.stderr + wrong.stderr + short.stderr, new RegExp(SECRET))
})

test('the environment, a config and completions take the secret', t => {
  const desk = makeDesk(t)
  delete desk.env.IBT_STORE
  mkdirSync(desk.at('sub'))
  const config = { store: 'store', opaqueNames: 'names.txt', sources: { src: { path: 'src' } } }
  writeFileSync(desk.at('ibt.config.json'), JSON.stringify(config))
  done(desk.ibt('backup', '--cache', 'cache'))
  assert.match(names(desk).join(), /^n[\w-]+,n[\w-]+,n[\w-]+$/)
  // A machine that is loaded completes nothing in the time of a TAB.
  desk.env.IBT_COMPLETION_MS = '600000'
  assert.match(done(desk.ibt('__complete', 'bash', 'restore', '')), /src/)
  desk.env.IBT_STORE = 'store'
  desk.env.IBT_OPAQUE_NAMES_FILE = 'names.txt'
  done(desk.ibt('verify', 'src', '--no-config'))
  const odd = { opaqueNames: 'names.txt', sources: {} }
  writeFileSync(desk.at('ibt.config.json'), JSON.stringify(odd))
  assert.match(desk.ibt('list').stderr, /opaqueNames is for a store that the config names beside it/)
})

test('ibt copy goes from encrypted names to plain ones and back, and to those of a new secret', async t => {
  const desk = makeDesk(t)
  done(desk.ibt('backup', 'src', ...OPAQUE))
  const told = desk.ibt('copy', 'src', ...OPAQUE, '--to', 'plain')
  done(told)
  assert.match(told.stderr, /have plain names: --to-opaque-names/)
  assert.match(names(desk, 'plain').join(), /^src\.full\.\S+,src\.state\.\S+$|^src\./)
  done(desk.ibt('copy', 'src', '--store', 'plain', '--to', 'renamed', '--to-opaque-names', 'other.txt'))
  const renamed = { store: opaqueNames(directoryStore(desk.at('renamed')), readFileSync(desk.at('other.txt'))) }
  assert.deepEqual((await verifyBackup('src', { ...renamed, cache: false, readData: true })).problems, [])
  await restoreBackup('src', desk.at('out'), { ...renamed, cache: false })
  assertSameTree(desk.at('src'), desk.at('out'))
  // Into a store with the names of another secret, or with encrypted ones without a secret.
  const to = opaqueNames(directoryStore(desk.at('renamed')), SECRET)
  const plain = { store: desk.at('plain'), cache: false as const }
  await assert.rejects(copyBackups('src', { ...plain, to }), { code: 'IBT_OPAQUE_NAMES' })
  await assert.rejects(copyBackups('src', { ...plain, to: desk.at('renamed') }), { code: 'IBT_OPAQUE_NAMES' })
  // Where a store is shared on purpose, that is said.
  const shared = opaqueNames(directoryStore(desk.at('renamed')), SECRET, { shared: true })
  await copyBackups('src', { ...plain, to: shared })
  assert.equal((await collect(listBackups('src', { store: shared, cache: false }))).length, 1)
})

test(
  'encrypted, signed, locked, pruned, cleaned, exported and served under encrypted names',
  oracle('age-keygen', 'openssl', 'curl'),
  async t => {
    const desk = makeDesk(t)
    execFileSync('age-keygen', ['-o', desk.at('key.txt')], { stdio: 'ignore' })
    const recipient = String(run('age-keygen', ['-y', desk.at('key.txt')])).trim()
    run('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', desk.at('sign.pem')])
    Object.assign(desk.env, { IBT_OPAQUE_NAMES_FILE: 'names.txt', IBT_IDENTITY: 'key.txt', IBT_SIGN_KEY: 'sign.pem' })
    const backup = () => done(desk.ibt('backup', 'src', '--encrypt', recipient))
    backup()
    done(desk.ibt('lock', 'src', '--until', '1d'))
    appendFileSync(desk.at('src/file'), 'more')
    backup()
    appendFileSync(desk.at('src/file'), 'and more')
    backup()
    done(desk.ibt('prune', 'src', '--keep-last', '1', '--grace', '0'))
    done(desk.ibt('clean', 'src', '--grace', '0'))
    // The locked one stays.
    assert.equal(done(desk.ibt('list', 'src')).trim().split('\n').length, 2)
    done(desk.ibt('verify', 'src', '--read-data', '--verify-key', 'sign.pem'))
    for (const name of names(desk).filter(name => !name.startsWith('.'))) assert.match(name, /^n[\w-]+$/)
    const bundle = desk.start(['export', 'src', '--no-progress'], { stdio: ['ignore', 'pipe', 'pipe'] })
    const target = desk.start(['import', '--store', 'imported', '--unsigned'], { stdio: ['pipe', 'pipe', 'pipe'] })
    bundle.child.stdout!.pipe(target.child.stdin!)
    assert.equal((await target.ended).status, 0)
    for (const name of names(desk, 'imported')) assert.match(name, /^n[\w-]+$/)
    const server = desk.start(['serve', '--port', '0', '--no-token', '--json'])
    let said = ''
    server.child.stdout!.on('data', data => (said += data))
    await server.until(() => said.includes('\n'))
    const { url } = JSON.parse(said)
    assert.match(String(run('curl', ['-sS', '-H', 'Accept: application/json', url])), /src/)
    server.child.kill('SIGTERM')
    await server.ended
  }
)

test('a key that names of removed states would not fit into is refused before anything is stored', async t => {
  const desk = makeDesk(t)
  const store = opaqueNames(directoryStore(desk.at('store')), SECRET)
  const { fullBackup, incrementalBackup } = await import('../../src/index.js')
  const backup = (key: string) => fullBackup(desk.at('src'), { store, key, cache: false })
  await assert.rejects(backup('k'.repeat(51)), { code: 'IBT_NAME_INVALID' })
  assert.deepEqual(names(desk), [])
  const key = 'k'.repeat(50)
  await backup(key)
  appendFileSync(desk.at('src/file'), 'more')
  await incrementalBackup(desk.at('src'), { store, key, cache: false })
  await pruneBackups(key, { store, cache: false, keepLast: 1, merge: true })
})
