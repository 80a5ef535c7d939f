import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { crossed } from '../helpers/crossed.js'
import { BIN, Desk } from '../helpers/desk.js'
import { assertSameTree } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

const RECEIVE = `'${process.execPath}' '${BIN}' receive --into into`

function deskWithSource(t: TestContext, sizeBytes = 3_000_000) {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/sub'), { recursive: true })
  writeFileSync(desk.at('src/large'), createRandom(1).bytes(sizeBytes))
  writeFileSync(desk.at('src/sub/small'), 'small')
  return desk
}

test('ibt send --tree makes the directory of an ibt receive --into equal', oracle('rsync'), t => {
  const desk = deskWithSource(t)
  const first = desk.ibt('send', 'src', '--tree', '--to-command', RECEIVE)
  assert.equal(first.status, 0, first.stderr)
  assert.match(
    first.stdout,
    /^Sent the tree of .*src\n {2}4 entries: 2 files, .*\n {2}2 files sent, 0 as deltas: 2.86 MiB, /
  )
  assert.match(first.stderr, /Received the tree of .*src of .* into into\n/)
  assertSameTree(desk.at('into'), desk.at('src'))
  appendFileSync(desk.at('src/large'), 'more')
  writeFileSync(desk.at('into/extra'), 'extra')
  writeFileSync(desk.at('into/extra.o'), 'extra')
  const exclude = ['--exclude', '*.o']
  const args = ['--json', '--metrics', 'm.prom', '--to-command', `${RECEIVE} --delete --json`]
  const second = desk.ibt('send', 'src', '--tree', ...exclude, ...args)
  assert.equal(second.status, 0, second.stderr)
  const [sent, received] = [second.stdout, second.stderr].map(text => JSON.parse(text.trim().split('\n').at(-1)!))
  assert.deepEqual([sent.event, sent.sentFiles, sent.deltaFiles], ['report', 1, 1])
  assert.ok(sent.sentBytes < 10_000)
  assert.deepEqual([received.event, received.deletedEntries], ['report', 1])
  assert.deepEqual(readdirSync(desk.at('into')), ['extra.o', 'large', 'sub'])
  assert.match(readFileSync(desk.at('m.prom'), 'utf8'), /ibt_run_exit_code\{operation="send",key="src"\} 0/)
})

test('options that make no sense are usage errors, and ends that do not fit refuse each other', t => {
  const desk = deskWithSource(t, 1000)
  const refuse = (status: number, text: RegExp, ...args: string[]) => {
    const found = desk.ibt('send', ...args)
    assert.equal(found.status, status, found.stderr)
    assert.match(found.stderr, text)
  }
  for (const option of [['--key', 'a'], ['--full'], ['--checkpoint', '1M'], ['--skip-unchanged']]) {
    refuse(2, /is for backups, not for --tree/, 'src', '--tree', ...option, '--to-command', RECEIVE)
  }
  refuse(2, /--dry-run requires --tree/, 'src', '--dry-run', '--to-command', RECEIVE)
  refuse(2, /--tree sends one directory/, 'src', 'src', '--tree', '--to-command', RECEIVE)
  const receive = (options: string) => `'${process.execPath}' '${BIN}' receive ${options}`
  const wrong = [
    '--into into --key a',
    '--into into --store x',
    '--into into --overwrite perhaps',
    '--delete',
    '--exclude a',
    '--dry-run',
    '--into into --max-delete 5',
    '--into into --delete --max-delete many'
  ]
  for (const options of wrong) refuse(1, /ended with 2/, 'src', '--tree', '--to-command', receive(options))
  refuse(5, /IBT_NOT_ALLOWED/, 'src', '--to-command', RECEIVE)
  refuse(5, /IBT_NOT_ALLOWED/, 'src', '--tree', '--to-command', receive(''))
  refuse(5, /IBT_NOT_ALLOWED/, 'src', '--tree', '--exclude-larger-than', '5', '--to-command', `${RECEIVE} --delete`)
  assert.equal(existsSync(desk.at('store')), false)
})

for (const victim of ['sender', 'receiver'] as const) {
  test(`kill -9 of the ${victim} leaves whole files, and the next run goes on`, oracle('rsync'), async t => {
    const desk = deskWithSource(t, 25_000_000)
    assert.equal(desk.ibt('send', 'src', '--tree', '--to-command', RECEIVE).status, 0)
    const old = readFileSync(desk.at('into/large'))
    writeFileSync(desk.at('src/large'), createRandom(2).bytes(25_000_000))
    writeFileSync(desk.at('src/a'), createRandom(3).bytes(500_000))
    for (let i = 0; i < 2; i++) {
      const sender = desk.start(['send', 'src', '--tree'])
      const receiver = desk.start(['receive', '--into', 'into'])
      crossed(sender.child, receiver.child)
      const [killed, other] = victim === 'sender' ? [sender, receiver] : [receiver, sender]
      let passedBytes = 0
      sender.child.stdout!.on('data', chunk => {
        passedBytes += chunk.length
        if (passedBytes > (12 * i + 3) * 1_000_000) killed.child.kill('SIGKILL')
      })
      await killed.ended
      const { status, stderr } = await other.ended
      assert.equal(status, 1, stderr)
      assert.match(stderr, /IBT_CONNECTION_LOST/)
      assert.ok(readFileSync(desk.at('into/large')).equals(old))
    }
    const last = desk.ibt('send', 'src', '--tree', '--json', '--to-command', `${RECEIVE} --delete`)
    assert.equal(last.status, 0, last.stderr)
    // It goes on with the large file where that was.
    const { sentBytes } = JSON.parse(last.stdout.trim().split('\n').at(-1)!)
    assert.ok(sentBytes < 16_000_000, `${sentBytes} bytes`)
    assertSameTree(desk.at('into'), desk.at('src'))
  })
}

for (const isHeldUp of [false, true])
  test(`SIGINT of the receiver cancels both${isHeldUp ? ', also a sender that is held up meanwhile' : ''}`, async t => {
    const desk = deskWithSource(t, 25_000_000)
    const sender = desk.start(['send', 'src', '--tree'])
    const receiver = desk.start(['receive', '--into', 'into'])
    crossed(sender.child, receiver.child)
    let passedBytes = 0
    sender.child.stdout!.on('data', chunk => {
      passedBytes += chunk.length
      if (passedBytes <= 1_000_000) return
      if (isHeldUp) sender.child.kill('SIGSTOP')
      receiver.child.kill('SIGINT')
    })
    const received = await receiver.ended
    sender.child.kill('SIGCONT')
    const sent = await sender.ended
    assert.equal(received.status, 130, received.stderr)
    assert.equal(sent.status, 1, sent.stderr)
    assert.match(sent.stderr, /The receiver has failed: Cancelled by SIGINT/)
    assert.deepEqual(
      readdirSync(desk.at('into')).filter(name => name !== 'sub' && !name.startsWith('.ibt-partial-')),
      []
    )
  })

test('a disk that is full leaves the old files, and both say so', oracle('mount', 'umount'), t => {
  const desk = deskWithSource(t, 1_000_000)
  mkdirSync(desk.at('into'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', desk.at('into')]).status !== 0)
    return t.skip('this user may not mount a file system here')
  try {
    assert.equal(desk.ibt('send', 'src', '--tree', '--to-command', RECEIVE).status, 0)
    const old = readFileSync(desk.at('into/large'))
    writeFileSync(desk.at('src/large'), createRandom(2).bytes(30_000_000))
    const { status, stderr } = desk.ibt('send', 'src', '--tree', '--to-command', RECEIVE)
    assert.ok(status === 1 || status === 3, `${status} ${stderr}`)
    assert.match(stderr, /ENOSPC|no space/)
    assert.ok(readFileSync(desk.at('into/large')).equals(old))
    assert.deepEqual(readdirSync(desk.at('into')), ['large', 'sub'])
  } finally {
    spawnSync('umount', [desk.at('into')])
  }
})

test('what the other side says does not act on a terminal', t => {
  const desk = deskWithSource(t)
  mkdirSync(desk.at('red\u001b[31m'))
  const { status, stdout, stderr } = desk.ibt('send', 'red\u001b[31m', '--tree', '--to-command', RECEIVE)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /Received the tree of ".*red\\u001b\[31m" of /)
  assert.ok(!`${stdout}${stderr}`.includes('\u001b'))
})

test('a store and a cache in the directory stay where nothing else does', t => {
  const desk = deskWithSource(t)
  mkdirSync(desk.at('into'))
  Object.assign(desk.env, { IBT_STORE: 'into/deep/store', IBT_CACHE: 'into/cache' })
  assert.equal(desk.ibt('backup', 'src').status, 0)
  writeFileSync(desk.at('into/other'), '')
  const { status, stderr } = desk.ibt('send', 'src', '--tree', '--to-command', `${RECEIVE} --delete`)
  assert.equal(status, 0, stderr)
  assert.deepEqual(readdirSync(desk.at('into')), ['cache', 'deep', 'large', 'sub'])
  assert.equal(desk.ibt('verify', 'src').status, 0)
})

test('--dry-run lists what --delete would do, and --max-delete has the last word', t => {
  const desk = deskWithSource(t, 1000)
  const send = (receive: string, ...args: string[]) =>
    desk.ibt('send', 'src', '--tree', ...args, '--to-command', `${RECEIVE} --delete ${receive}`)
  mkdirSync(desk.at('into/gone/below'), { recursive: true })
  writeFileSync(desk.at('into/large'), '')
  const dry = send('', '--dry-run')
  assert.equal(dry.status, 0, dry.stderr)
  assert.match(dry.stdout, /^Dry run: listed the tree of /)
  for (const line of ['- gone/', 'M large', '+ sub/', '+ sub/small']) assert.ok(dry.stderr.includes(`${line}\n`), line)
  assert.match(
    dry.stderr,
    /Dry run: nothing was written into into, .*\n {2}2 created, 1 updated, \d touched, 1 deleted, /
  )
  assert.deepEqual(readdirSync(desk.at('into')), ['gone', 'large'])
  const lines = send('--dry-run --json')
    .stderr.trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.ok(lines.some(({ change, path, type }) => change === 'deleted' && path === 'gone' && type === 'directory'))
  assert.deepEqual([lines.at(-1).event, lines.at(-1).dryRun], ['report', true])
  const refused = send('--max-delete 1')
  assert.equal(refused.status, 5, refused.stderr)
  assert.match(refused.stderr, /ibt: 2 entries of .*into would be deleted, .*\n\(ibt help IBT_DELETE_LIMIT/)
  assert.deepEqual(readdirSync(desk.at('into')), ['gone', 'large', 'sub'])
  assert.equal(send('--max-delete 2').status, 0)
  assert.deepEqual(readdirSync(desk.at('into')), ['large', 'sub'])
})
