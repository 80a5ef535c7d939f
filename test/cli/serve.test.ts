import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { age } from '../../src/age/index.js'
import { fullBackup } from '../../src/index.js'
import { assertSameTree } from '../helpers/judges.js'
import { identityFile, makeKeyPair } from '../helpers/keys.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const IBT = fileURLToPath(new URL('../../../bin/ibt.cjs', import.meta.url))

async function makeStore(t: TestContext): Promise<string> {
  const base = temporaryDirectory(t)
  mkdirSync(join(base, 'source'))
  writeFileSync(join(base, 'source/file'), 'some text')
  await fullBackup(join(base, 'source'), { store: join(base, 'store'), cache: false, key: 'key' })
  return base
}

async function start(t: TestContext, base: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(process.execPath, [IBT, 'serve', '--no-cache', '--port', '0', '--json', ...args], {
    env: { ...process.env, IBT_STORE: join(base, 'store'), ...env },
    stdio: ['ignore', 'pipe', 'pipe']
  })
  t.after(() => child.kill('SIGKILL'))
  let [stdout, stderr] = ['', '']
  child.stderr.on('data', text => {
    stderr += text
  })
  const ended = once(child, 'close')
  await new Promise<void>(resolve => {
    child.stdout.on('data', text => {
      stdout += text
      if (stdout.includes('\n')) resolve()
    })
    child.on('close', () => resolve())
  })
  const stop = async (signal: NodeJS.Signals = 'SIGINT') => {
    child.kill(signal)
    const [code] = await ended
    return { code, stdout, stderr }
  }
  return {
    url: stdout === '' ? '' : (JSON.parse(stdout.split('\n')[0]!).url as string),
    stderr: () => stderr,
    stop,
    ended
  }
}

const curl = (...args: string[]) => execFileSync('curl', ['-sS', '-f', ...args], { encoding: 'utf8' })

test('ibt serve makes a token, serves, and ends with a signal', oracle('curl'), async t => {
  const base = await makeStore(t)
  const { url, stderr, stop } = await start(t, base, [])
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/)
  while (!stderr().includes('\n')) await setTimeout(5)
  const [, token] = /any user name: ([\w-]{24})\n/.exec(stderr())!
  assert.equal(curl('-u', `:${token}`, `${url}key/latest/file`), 'some text')
  assert.throws(() => curl(`${url}key/latest/file`), /401/)
  const { code, stdout } = await stop()
  assert.equal(code, 0)
  assert.ok(!stdout.includes(token!))
  assert.equal(JSON.parse(stdout.trim().split('\n').at(-1)!).exitCode, 0)
})

test('the token comes from a file or the environment, and is printed nowhere', oracle('curl'), async t => {
  const base = await makeStore(t)
  const file = join(base, 'token')
  writeFileSync(file, 'word\n')
  chmodSync(file, 0o644)
  const first = await start(t, base, ['--token-file', file], { IBT_SERVE_TOKEN: 'other' })
  assert.equal(curl('-u', ':word', `${first.url}key/latest/file`), 'some text')
  const { stderr } = await first.stop('SIGTERM')
  assert.match(stderr, /Other users may read the token/)
  assert.ok(!stderr.includes('word'))
  const second = await start(t, base, [], { IBT_SERVE_TOKEN: 'other' })
  assert.equal(curl('-H', 'Authorization: Bearer other', `${second.url}key/latest/file`), 'some text')
  assert.equal((await second.stop()).stderr.includes('other'), false)
  const third = await start(t, base, ['--no-token', '--key', 'none'])
  assert.throws(() => curl(`${third.url}key/latest/file`), /404/)
  assert.match(curl(third.url), /<table>/)
  await third.stop()
  for (const args of [
    ['--host', '0.0.0.0', '--no-token'],
    ['--token-file', '/none'],
    ['--tls-cert', file],
    ['--port', 'x']
  ]) {
    const [code] = await (await start(t, base, args)).ended
    assert.equal(code, 2, args.join(' '))
  }
})

test('a store without a backup is served, and said', async t => {
  const base = await makeStore(t)
  mkdirSync(join(base, 'empty'))
  const { stderr, stop } = await start(t, base, ['--store', join(base, 'empty'), '--no-token'])
  while (!stderr().includes('\n')) await setTimeout(5)
  assert.match(stderr(), /No backup yet in .*empty\n/)
  assert.equal((await stop()).code, 0)
})

test('what cannot be served is said at once', async t => {
  const base = await makeStore(t)
  for (const [store, message] of [
    [join(base, 'none'), /No backups to serve \(looked in .*none, which is not there\)/],
    [join(base, 'source/file'), /Cannot list the store/],
    ['http://127.0.0.1:1/', /Cannot list the store: .*ECONNREFUSED/]
  ] as const) {
    const { ended, stderr, url } = await start(t, base, ['--store', store])
    const [code] = await ended
    assert.equal(code, 1, store)
    assert.match(stderr() + url, message)
  }
})

test('with an identity or a passphrase it serves what is encrypted', oracle('curl', 'tar', 'rsync'), async t => {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  mkdirSync(source)
  writeFileSync(join(source, 'file'), 'some text')
  writeFileSync(join(source, 'large'), createRandom(1).bytes(9_000_000))
  writeFileSync(join(base, 'words'), 'correct horse battery staple', { mode: 0o600 })
  const pair = await makeKeyPair()
  const places = { store: join(base, 'store'), cache: false } as const
  await fullBackup(source, { ...places, key: 'key', encrypt: age({ recipients: [pair.recipient] }) })
  await fullBackup(source, { ...places, key: 'words', encrypt: age({ passphrase: 'correct horse battery staple' }) })
  for (const [key, args] of [
    ['key', ['--identity', identityFile(base, pair)]],
    ['words', ['--passphrase-file', join(base, 'words')]]
  ] as const) {
    const { url, stop } = await start(t, base, ['--no-token', ...args])
    assert.equal(curl(`${url}${key}/latest/file`), 'some text')
    assert.equal(curl('-r', '5-8', `${url}${key}/latest/file`), 'text')
    const ranged = execFileSync('curl', ['-sSf', '-r', '8500000-8500999', `${url}${key}/latest/large`])
    assert.ok(ranged.equals(readFileSync(join(source, 'large')).subarray(8_500_000, 8_501_000)))
    const out = join(base, `out-${key}`)
    mkdirSync(out)
    execFileSync('curl', ['-sSf', '-o', join(base, 'tar'), `${url}${key}/latest/?format=tar`])
    execFileSync('tar', ['-xpf', join(base, 'tar'), '-C', out])
    assertSameTree(out, source)
    assert.equal((await stop()).code, 0)
  }
  const { url } = await start(t, base, ['--no-token'])
  const { status, stdout } = spawnSync('curl', ['-sS', '-w', '%{http_code}', `${url}key/latest/`], { encoding: 'utf8' })
  assert.equal(status, 0)
  assert.match(stdout, /encrypted with age.*--identity FILE.*\(IBT_KEY_MISSING\)\n424$/)
})

test('with a certificate it speaks HTTP/2 and HTTP/1.1', oracle('curl', 'openssl'), async t => {
  const base = await makeStore(t)
  const [cert, key] = [join(base, 'cert'), join(base, 'key')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key]
  execFileSync('openssl', ['req', '-x509', ...kind, '-days', '2', '-out', cert, ...subject], { stdio: 'pipe' })
  const { url, stop } = await start(t, base, ['--no-token', '--tls-cert', cert, '--tls-key', key])
  const at = `${url.replace('127.0.0.1', 'localhost')}key/latest/file`
  const version = ['-w', ' %{http_version}', '--cacert', cert]
  assert.equal(curl(...version, '--http1.1', at), 'some text 1.1')
  assert.equal(curl(...version, '--http2', at), 'some text 2')
  assert.equal(curl(...version, '--http2', '-r', '5-', at), 'text 2')
  assert.equal((await stop()).code, 0)
})
