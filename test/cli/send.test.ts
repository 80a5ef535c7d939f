import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { listBackups, restoreBackup, verifyBackup } from '../../src/index.js'
import { crossed } from '../helpers/crossed.js'
import { collect } from '../helpers/entries.js'
import { assertSameTree } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { temporaryDirectory } from '../native/tree.js'

const IBT = fileURLToPath(new URL('../../../bin/ibt.cjs', import.meta.url))
const RECEIVE = `'${process.execPath}' '${IBT}' receive --no-cache`

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function start(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [IBT, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', text => {
    stdout += text
  })
  child.stderr.on('data', text => {
    stderr += text
  })
  return { child, ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })) }
}

function makeSource(t: TestContext, sizeBytes = 3_000_000) {
  const base = temporaryDirectory(t)
  const source = join(base, 'source')
  const store = join(base, 'store')
  mkdirSync(source)
  writeFileSync(join(source, 'large'), createRandom(1).bytes(sizeBytes))
  return { base, source, store, options: { store, cache: false } as const }
}

test('ibt receive signs what it stores', async t => {
  const { base, source, store, options } = makeSource(t, 300_000)
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  writeFileSync(join(base, 'sign.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const receive = `${RECEIVE} --store '${store}' --sign-key '${join(base, 'sign.pem')}'`
  for (const kind of ['full', 'incremental']) {
    appendFileSync(join(source, 'large'), kind)
    const { code, stderr } = await start('send', source, '--to-command', receive).ended
    assert.equal(code, 0, stderr)
    const { problems } = await verifyBackup('source', { ...options, verifyKeys: [publicKey], readData: true })
    assert.deepEqual(problems, [])
  }
})

test('ibt send talks to an ibt receive that it starts', oracle('rsync'), async t => {
  const { base, source, store, options } = makeSource(t)
  const receive = `${RECEIVE} --key mine --store '${store}'`
  const first = await start('send', source, '--to-command', receive).ended
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^Full backup of mine, /)
  assert.match(first.stderr, /Received the full backup of mine, .*\n.* stored, /)
  appendFileSync(join(source, 'large'), 'more')
  const second = await start('send', source, '--json', '--to-command', `${receive} --json`).ended
  assert.equal(second.code, 0, second.stderr)
  const report = JSON.parse(second.stdout.trim().split('\n').at(-1)!)
  assert.equal(report.kind, 'incremental')
  assert.ok(report.storedBytes < 100_000)
  const received = JSON.parse(second.stderr.trim().split('\n').at(-1)!)
  assert.deepEqual([received.event, received.exitCode, received.date], ['report', 0, report.date])
  const third = await start('send', source, '--full', '--to-command', receive).ended
  assert.match(third.stdout, /^Full backup of mine, /)
  await restoreBackup('mine', join(base, 'out'), options)
  assertSameTree(join(base, 'out'), source)
})

test('--limit-rate slows what goes to a store and over a connection down', async t => {
  const { source, store } = makeSource(t, 400_000)
  const rate = ['--limit-rate', '400k']
  for (const args of [
    ['full', source, '--store', store, '--no-cache'],
    ['send', source, '--full', '--to-command', `${RECEIVE} --store '${store}'`],
    ['full', source, '--out', '-', '--no-cache']
  ]) {
    const begun = performance.now()
    const { code, stderr } = await start(...args, ...rate).ended
    assert.equal(code, 0, stderr)
    // 400 kB, of which a tenth of a second's worth may come at once.
    assert.ok(performance.now() - begun > 800, args[0])
  }
  const wrong = await start('full', source, '--store', store, '--limit-rate', 'fast').ended
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /Not a rate as in 2M/)
})

test('ibt send and ibt receive talk over stdin and stdout', async t => {
  const { source, store } = makeSource(t)
  const sender = start('send', source)
  const receiver = start('receive', '--no-cache', '--store', store)
  crossed(sender.child, receiver.child)
  const [sent, received] = await Promise.all([sender.ended, receiver.ended])
  assert.equal(sent.code, 0, sent.stderr)
  assert.equal(received.code, 0, received.stderr)
  assert.match(sent.stderr, /^Full backup of source/)
})

test('a refusal of the receiver is the exit code of both', async t => {
  const { source, store } = makeSource(t)
  const wrong = await start('send', source, '--key', 'b', '--to-command', `${RECEIVE} --key a --store '${store}'`).ended
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /The receiver has failed: The sender may write backups of a, not of b/)
  const absent = await start('send', source, '--json', '--to-command', 'exit 7').ended
  assert.equal(absent.code, 1)
  const { code, message } = JSON.parse(absent.stdout)
  assert.equal(code, 'IBT_CONNECTION_LOST')
  assert.match(message, /'exit 7' ended with 7/)
  const noise = await start('send', source, '--to-command', 'echo Welcome to host; cat > /dev/null').ended
  assert.equal(noise.code, 4)
})

for (const victim of ['sender', 'receiver'] as const) {
  test(`kill -9 of the ${victim} leaves no backup, and the next run makes one`, async t => {
    const { source, store, options } = makeSource(t, 25_000_000)
    assert.equal(
      (await start('send', source, '--key', 'key', '--to-command', `${RECEIVE} --store '${store}'`).ended).code,
      0
    )
    writeFileSync(join(source, 'other'), createRandom(2).bytes(25_000_000))
    const dates = async () => (await collect(listBackups('key', options))).length
    for (let i = 0; i < 2; i++) {
      const sender = start('send', source, '--key', 'key')
      const receiver = start('receive', '--no-cache', '--store', store)
      crossed(sender.child, receiver.child)
      const killed = victim === 'sender' ? sender : receiver
      const other = victim === 'sender' ? receiver : sender
      let passedBytes = 0
      sender.child.stdout!.on('data', chunk => {
        passedBytes += chunk.length
        if (passedBytes > (2 * i + 1) * 1_000_000) killed.child.kill('SIGKILL')
      })
      await killed.ended
      const { code, stderr } = await other.ended
      assert.equal(code, 1, stderr)
      assert.match(stderr, /IBT_CONNECTION_LOST/)
      assert.equal(await dates(), 1)
      if (victim === 'sender')
        assert.deepEqual(
          readdirSync(store).filter(name => /created|lock/.test(name)),
          []
        )
    }
    const last = await start('send', source, '--key', 'key', '--to-command', `${RECEIVE} --store '${store}'`).ended
    assert.equal(last.code, 0, last.stderr)
    assert.match(last.stdout, /^Incremental/)
    assert.equal(await dates(), 2)
    assert.deepEqual((await verifyBackup('key', { ...options, readData: true })).problems, [])
    assert.deepEqual(
      readdirSync(store).filter(name => name.startsWith('.')),
      []
    )
  })
}

test('SIGINT of the sender cancels both', async t => {
  const { source, store } = makeSource(t, 25_000_000)
  const sender = start('send', source)
  const receiver = start('receive', '--no-cache', '--store', store)
  crossed(sender.child, receiver.child)
  sender.child.stdout!.once('data', () => sender.child.kill('SIGINT'))
  const [sent, received] = await Promise.all([sender.ended, receiver.ended])
  assert.equal(sent.code, 130, sent.stderr)
  assert.equal(received.code, 1, received.stderr)
  assert.match(received.stderr, /The sender has failed: Cancelled by SIGINT/)
})
