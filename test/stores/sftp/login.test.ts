import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { type SftpStoreOptions, sftpStore } from '../../../src/stores/sftp/index.js'
import { run, shell } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { SshServer } from '../../helpers/ssh-server.js'

const withSshd = oracle('sshd', 'ssh', 'ssh-keygen')

const base = mkdtempSync(join(tmpdir(), 'ibt-ssh-'))
let server: SshServer
before(async () => {
  if (withSshd.skip === undefined) server = await SshServer.start(join(base, 'server'))
})
after(async () => {
  await server?.stop()
  rmSync(base, { recursive: true, force: true })
})

/** Connects and lists, with what a test writes into the configuration first. */
async function connect(options: Partial<SftpStoreOptions> = {}): Promise<void> {
  const store = sftpStore({ host: server.host, config: server.config, path: base, retries: 0, ...options })
  try {
    for await (const _ of store.list());
  } finally {
    store.close()
  }
}

async function failure(
  options?: Partial<SftpStoreOptions>
): Promise<{ readonly code: string; readonly message: string; readonly cause?: unknown }> {
  const error = await connect(options).then(
    () => undefined,
    error => error
  )
  assert.ok(error !== undefined, 'It connects')
  return error
}

/** The command that a message ends with. */
const commandOf = (message: string) => message.slice(message.indexOf('accept it: ') + 'accept it: '.length)

function newKey(name: string, passphrase = ''): string {
  const file = join(base, name)
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-C', name, '-f', file])
  return file
}

const publicOf = (file: string) => readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' ')

test('a host key that is not known is refused, with the command that accepts it', withSshd, async () => {
  server.writeConfig()
  writeFileSync(server.knownHosts, '# nobody')
  const { code, message } = await failure()
  assert.equal(code, 'IBT_HOST_KEY')
  const shown = run('ssh-keygen', ['-lf', join(server.directory, 'host_key.pub')]).toString()
  assert.ok(message.includes(shown.split(' ')[1]!), message)
  appendFileSync(server.knownHosts, '\n')
  shell(commandOf(message))
  await connect()
})

test('a host key that has changed is always refused, with the commands that forget the old one', withSshd, async () => {
  for (const strict of ['yes', 'ask', 'accept-new', 'no']) {
    server.writeConfig(`StrictHostKeyChecking ${strict}`)
    writeFileSync(server.knownHosts, `${server.knownAs} ${publicOf(server.key)}\nother.example ${server.hostKey}\n`)
    const { code, message } = await failure()
    assert.equal(code, 'IBT_HOST_KEY', strict)
    assert.match(message, /has changed/)
    if (strict !== 'no') continue
    shell(`(${commandOf(message)}) 2> "$1"`, join(base, 'said'))
    await connect()
  }
})

test('a revoked key is refused, also where it is known', withSshd, async () => {
  server.writeConfig()
  appendFileSync(server.knownHosts, `@revoked * ${server.hostKey}\n`)
  const { code, message } = await failure()
  assert.equal(code, 'IBT_HOST_KEY')
  assert.match(message, /has been revoked/)
})

test('hashed names, patterns and aliases are known', withSshd, async () => {
  server.writeConfig()
  shell('ssh-keygen -q -H -f "$1" 2> "$2"', server.knownHosts, join(base, 'said'))
  assert.match(readFileSync(server.knownHosts, 'utf8'), /^\|1\|/)
  await connect()
  writeFileSync(
    server.knownHosts,
    `@cert-authority * ${publicOf(server.key)}\n[127.*]:*,!other ${server.hostKey} comment\n`
  )
  await connect()
  writeFileSync(server.knownHosts, `[127.*]:*,!${server.knownAs} ${server.hostKey}\n`)
  assert.equal((await failure()).code, 'IBT_HOST_KEY')
  server.writeConfig('HostKeyAlias Alias')
  writeFileSync(server.knownHosts, `alias ${server.hostKey}\n`)
  await connect()
})

test('accept-new writes a new key down, as ssh finds it', withSshd, async () => {
  for (const hashes of ['no', 'yes']) {
    server.writeConfig('StrictHostKeyChecking accept-new', `HashKnownHosts ${hashes}`)
    writeFileSync(server.knownHosts, '# no line end')
    await connect()
    const found = run('ssh-keygen', ['-F', server.knownAs, '-f', server.knownHosts]).toString()
    assert.ok(found.includes(server.hostKey), found)
    assert.equal(readFileSync(server.knownHosts, 'utf8').includes('127.0.0.1'), hashes === 'no')
    server.writeConfig()
  }
})

/** An agent with keys, the right one the last. */
async function startAgent(t: TestContext, keys: readonly string[]): Promise<string> {
  const socket = join(base, `agent-${keys.length}`)
  const agent = spawn('ssh-agent', ['-D', '-a', socket], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => agent.kill())
  await once(agent.stdout, 'data')
  for (const key of keys) shell('SSH_AUTH_SOCK="$1" ssh-add -q "$2"', socket, key)
  return socket
}

test('keys of the agent log in, of many the one that the configuration names', withSshd, async t => {
  const others = ['a', 'b', 'c', 'd'].map(name => newKey(`other-${name}`))
  const socket = await startAgent(t, [...others, server.key])
  const named = join(base, 'named')
  writeFileSync(`${named}.pub`, readFileSync(`${server.key}.pub`))
  // The server hears three keys.
  server.writeConfig(`IdentityAgent ${socket}`, `IdentityFile ${named}`, 'IdentitiesOnly yes')
  await connect()
  server.writeConfig(`IdentityAgent ${socket}`, `IdentityFile ${named}`)
  await connect()
})

test('an agent that is gone does not matter where a file has the key', withSshd, async () => {
  server.writeConfig(`IdentityAgent ${join(base, 'no-agent')}`)
  await connect()
})

test('an encrypted key takes a passphrase; without one, the error says so', withSshd, async t => {
  const key = newKey('encrypted', 'secret words')
  const authorized = join(server.directory, 'id.pub')
  const before = readFileSync(authorized)
  t.after(() => writeFileSync(authorized, before))
  appendFileSync(authorized, readFileSync(`${key}.pub`))
  const ours = readFileSync(server.key)
  rmSync(server.key)
  t.after(() => writeFileSync(server.key, ours, { mode: 0o600 }))
  server.writeConfig(`IdentityFile ${key}`)
  await connect({ passphrase: 'secret words' })
  const { code, message } = await failure()
  assert.equal(code, 'IBT_STORE_FAILED')
  assert.match(message, /does not let .* in: there was no key to offer; left out: .*encrypted: .*IBT_SSH_PASSPHRASE/)
  assert.doesNotMatch((await failure({ passphrase: 'wrong words' })).message, /wrong words/)
})

test('a server that lets nobody in is asked once, and the error names what was offered', withSshd, async t => {
  const authorized = join(server.directory, 'id.pub')
  const before = readFileSync(authorized)
  t.after(() => writeFileSync(authorized, before))
  writeFileSync(authorized, '')
  server.writeConfig()
  const { connections } = server
  const { code, message } = await failure({ retries: 3 })
  assert.equal(code, 'IBT_STORE_FAILED')
  assert.ok(message.includes(`offered were ${server.key}`), message)
  assert.equal(server.connections, connections + 1)
})

test('jumps, proxy commands and included files count', withSshd, async () => {
  server.writeConfig()
  const config = join(base, 'jumps')
  const included = join(base, 'included')
  writeFileSync(included, readFileSync(server.config))
  const target = ['HostName 127.0.0.1', `Port ${server.port}`, `User ${server.username}`, `IdentityFile ${server.key}`]
  const known = ['IdentityAgent none', `UserKnownHostsFile ${server.knownHosts}`]
  const proxied = `ProxyCommand ssh -F ${server.config} -W %h:%p ${server.host}`
  const lines = [
    ...[`Include ${included}`, 'Host jumped', `ProxyJump ${server.host}`, ...target, ...known],
    ...['Host twice', `ProxyJump ${server.host},${server.host}`, ...target, ...known],
    ...['Host proxied', proxied, ...target, ...known]
  ]
  writeFileSync(config, `${lines.join('\n')}\n`)
  for (const [host, connections] of [
    [server.host, 1],
    ['jumped', 2],
    ['twice', 3],
    ['proxied', 2]
  ] as const) {
    const earlier = server.connections
    await connect({ host, config })
    assert.equal(server.connections - earlier, connections, host)
  }
})

test('what a proxy says before it ends is in the error, and the connection is tried again', withSshd, async () => {
  const config = join(base, 'broken')
  const tries = join(base, 'tries')
  // It ends before the first byte is written, or after.
  for (const [name, wait] of [
    ['at-once', ''],
    ['late', 'sleep 0.2; ']
  ] as const) {
    const command = `echo x >> ${tries}-${name}; echo it is broken >&2; ${wait}exit 1`
    writeFileSync(config, `Host ${name}\nProxyCommand sh -c '${command}'\n`)
    const { code, cause } = await failure({ host: name, config, retries: 2, retryDelayMs: 1 })
    assert.equal(code, 'IBT_STORE_FAILED')
    assert.match(String(cause), /Cannot connect to .*: it is broken: ./)
    assert.equal(readFileSync(`${tries}-${name}`, 'utf8'), 'x\nx\nx\n')
  }
})

test('a configuration that ssh refuses is an error', withSshd, async () => {
  const config = join(base, 'wrong')
  writeFileSync(config, 'NoSuchWord yes\n')
  const { code, message } = await failure({ config })
  assert.equal(code, 'IBT_STORE_FAILED')
  assert.match(message, /ssh cannot read its configuration.*nosuchword/is)
})

test('without a configuration, the options are enough', withSshd, async () => {
  const { port, username } = server
  const { code } = await failure({ host: '127.0.0.1', port, username, config: false })
  assert.equal(code, 'IBT_HOST_KEY')
  assert.equal((await failure({ host: 'no-such-host.invalid', config: false })).code, 'IBT_STORE_FAILED')
})
