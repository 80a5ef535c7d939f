import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { BIN, Desk } from '../helpers/desk.js'
import { assertSameTree } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { SshServer } from '../helpers/ssh-server.js'

const NEEDS = oracle('ssh', 'sshd', 'ssh-keygen', 'bash', 'rsync')

/** A desk with a source, and an ssh that leads to OpenSSH's own server, where the desk's store is, too. */
async function sshDesk(t: TestContext, sizeBytes: number) {
  const desk = new Desk(t)
  const server = await SshServer.start(desk.at('ssh'))
  t.after(() => server.stop())
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/large'), createRandom(1).bytes(sizeBytes))
  const ibt = `'${process.execPath}' '${BIN}'`
  const ssh = (command: string) => `ssh -F '${server.config}' ${server.host} "${command}"`
  // A receiver whose connection was cut may still be at its end when the next one comes.
  const receive = ssh(`${ibt} receive --key key --store '${desk.at('store')}' --no-cache --lock-wait 600`)
  // The server is in this process: nothing may block it.
  const run = (...args: string[]) => desk.start(args).ended
  return { desk, server, ssh, ibt, receive, run }
}

const states = (desk: Desk) => readdirSync(desk.at('store')).filter(name => name.includes('.state.'))

test('ibt send reaches an ibt receive over ssh, and a cut of ssh leaves the backups before', NEEDS, async t => {
  const { desk, server, receive, run } = await sshDesk(t, 2_000_000)
  for (const kind of ['Full', 'Incremental']) {
    appendFileSync(desk.at('src/large'), kind)
    const { status, stdout, stderr } = await run('send', 'src', '--to-command', receive)
    assert.equal(status, 0, stderr)
    assert.match(stdout, new RegExp(`^${kind} backup of key`))
  }
  assert.equal(desk.ibt('restore', 'key', 'out').status, 0)
  assertSameTree(desk.at('out'), desk.at('src'))

  writeFileSync(desk.at('src/new'), createRandom(2).bytes(4_000_000))
  const sender = desk.start(['send', 'src', '--limit-rate', '1M', '--to-command', receive])
  await sender.until(() => readdirSync(desk.at('store')).some(name => /^\..*created/.test(name)))
  server.kill()
  const { status, stderr } = await sender.ended
  assert.equal(status, 1, stderr)
  assert.match(stderr, /ended with 255[\s\S]*IBT_CONNECTION_LOST/)
  assert.equal(states(desk).length, 2)
  const again = await run('send', 'src', '--to-command', receive)
  assert.equal(again.status, 0, again.stderr)
  assert.match(desk.ibt('verify', 'key', '--read-data').stdout, /is complete/)
})

test('a bundle goes through ssh into an ibt import', NEEDS, async t => {
  const { desk, ssh, ibt } = await sshDesk(t, 300_000)
  const host = ssh(`${ibt} import - --store '${desk.at('store')}' --no-cache`)
  for (const text of ['full', 'incremental']) {
    appendFileSync(desk.at('src/large'), text)
    const script = `set -o pipefail; ${ibt} backup src --key key --out - | ${host}`
    const env = { ...desk.env, IBT_STORE: '' }
    await promisify(execFile)('bash', ['-c', script], { cwd: desk.path, env })
  }
  assert.equal(states(desk).length, 2)
  assert.equal(desk.ibt('restore', 'key', 'out').status, 0)
  assertSameTree(desk.at('out'), desk.at('src'))
})

test('ibt send --tree reaches an ibt receive --into over ssh', NEEDS, async t => {
  const { desk, ssh, ibt, run } = await sshDesk(t, 2_000_000)
  const receive = ssh(`${ibt} receive --into '${desk.at('into')}'`)
  for (const text of ['first', 'second']) {
    appendFileSync(desk.at('src/large'), text)
    const { status, stdout, stderr } = await run('send', 'src', '--tree', '--to-command', receive)
    assert.equal(status, 0, stderr)
    assert.match(stdout, text === 'first' ? /1 file sent, 0 as deltas/ : /1 file sent, 1 as deltas: [\d.]+ (B|KiB)/)
    assertSameTree(desk.at('into'), desk.at('src'))
  }
})
