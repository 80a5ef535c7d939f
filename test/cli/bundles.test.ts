import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { BIN, Desk, type Running } from '../helpers/desk.js'
import { assertSameTree } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/d'), { recursive: true })
  writeFileSync(desk.at('src/large'), createRandom(1).bytes(3_000_000))
  writeFileSync(desk.at('src/d/small'), 'small')
  return desk
}

/** What a line of bash does, in which `ibt` is this one; it fails if any process of a pipe does. */
function inShell(desk: Desk, line: string) {
  const script = `ibt() { '${process.execPath}' '${BIN}' "$@"; }; set -o pipefail; ${line}`
  return spawnSync('bash', ['-c', script], { cwd: desk.path, env: desk.env, encoding: 'utf8' })
}

function succeed(desk: Desk, line: string): string {
  const { status, stdout, stderr } = inShell(desk, line)
  assert.equal(status, 0, `${line}: ${stderr}`)
  return stdout
}

function assertWhole(desk: Desk, store = 'there'): void {
  succeed(desk, `rm -rf out && ibt restore src out --store ${store}`)
  assertSameTree(desk.at('out'), desk.at('src'))
  assert.deepEqual(
    readdirSync(desk.at(store)).filter(name => /\.v\d{5}\./.test(name) || name.startsWith('.')),
    []
  )
}

test('backups go through a pipe without a store here: a full, then what has changed', oracle('bash', 'rsync'), t => {
  const desk = makeDesk(t)
  const send = 'ibt backup src --out - --volume-size 500K --json 2>> log | ibt import - --store there'
  succeed(desk, send)
  assertWhole(desk)
  appendFileSync(desk.at('src/large'), 'more')
  assert.match(succeed(desk, send), /Imported src of/)
  assertWhole(desk)
  const reports = readFileSync(desk.at('log'), 'utf8')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    reports.filter(({ event }) => event === 'report').map(({ kind }) => kind),
    ['full', 'incremental']
  )
  // IBT_STORE is not written to, nor is a store that is named.
  assert.ok(!readdirSync(desk.path).includes('store'))
  const before = readdirSync(desk.at('there'))
  succeed(desk, 'ibt incremental src --out - --store there | ibt import - --store there')
  assert.equal(readdirSync(desk.at('there')).length, before.length + 1)
  // A receiver that has lost its backups is told apart, and a full helps.
  const lost = inShell(desk, `${send.replace('there', 'elsewhere')}`)
  assert.equal(lost.status, 4)
  assert.match(lost.stderr, /needs src\.full\..* send a full/)
  succeed(desk, send.replace('backup', 'full').replace('there', 'elsewhere'))
  assert.match(succeed(desk, 'ibt import --discard --key src --store elsewhere'), /Discarded 1 artifact/)
  assertWhole(desk, 'elsewhere')
})

test('a bundle is a store when tar and cat have had it', oracle('bash', 'tar', 'bsdtar', 'rsync'), t => {
  const desk = makeDesk(t)
  succeed(desk, 'ibt backup src && ibt export src --volume-size 1M > src.tar')
  for (const tar of ['tar', 'bsdtar']) {
    const join = `for first in *.v00001.*; do
      name=\${first%.v00001.*} end=\${first##*.v00001.}
      cat "$name".v?????."$end" > "$name.$end" && rm "$name".v?????."$end"
    done`
    succeed(desk, `mkdir ${tar} && cd ${tar} && ${tar} -xf ../src.tar && ${join}`)
    assertWhole(desk, tar)
  }
  const listed = succeed(desk, 'tar -tf src.tar').trim().split('\n')
  assert.match(listed.at(-1)!, /^src\.state\./)
})

/** Lets an export write into an import, a part at a time. `isEnough` says when that ends. */
async function pump(from: Running, to: Running, isEnough: (bytes: number) => boolean): Promise<void> {
  let bytes = 0
  to.child.stdin!.on('error', () => {})
  for await (const chunk of from.child.stdout!) {
    bytes += chunk.length
    if (!to.child.stdin!.write(chunk)) await Promise.race([once(to.child.stdin!, 'drain'), to.ended])
    if (isEnough(bytes)) return
  }
}

function start(desk: Desk) {
  const sender = desk.start(['export', 'src', '--volume-size', '200K'], { stdio: ['ignore', 'pipe', 'pipe'] })
  // It is read by hand.
  sender.child.stdout!.removeAllListeners('data')
  const receiver = desk.start(['import', '-', '--store', 'there'], { stdio: ['pipe', 'pipe', 'pipe'] })
  return { sender, receiver }
}

const volumes = (desk: Desk) => {
  try {
    return readdirSync(desk.at('there')).filter(name => /\.v\d{5}\./.test(name) && !name.startsWith('.'))
  } catch {
    return []
  }
}

const RESUME = `ibt import --resume-info --key src --store there > have &&
  ibt export src --resume have --volume-size 200K > rest.tar && ibt import rest.tar --store there`

/** What has arrived is not sent again. */
function assertResumes(desk: Desk): void {
  const hadBytes = volumes(desk).reduce((sum, name) => sum + statSync(desk.at('there', name)).size, 0)
  const whole = Number(succeed(desk, 'ibt export src --volume-size 200K | wc -c'))
  succeed(desk, RESUME)
  const { length } = readFileSync(desk.at('rest.tar'))
  assert.ok(length < whole - hadBytes, `${length} bytes were sent of ${whole}, ${hadBytes} had arrived`)
  assertWhole(desk)
}

test(
  'a sender that is killed leaves what arrived whole, and another one goes on there',
  oracle('bash', 'rsync'),
  async t => {
    const desk = makeDesk(t)
    succeed(desk, 'ibt backup src')
    const { sender, receiver } = start(desk)
    await pump(sender, receiver, bytes => bytes > 1_000_000)
    sender.child.kill('SIGKILL')
    receiver.child.stdin!.end()
    const { status, stderr } = await receiver.ended
    assert.equal(status, 4, stderr)
    assert.match(stderr, /cut off (in|behind) src\.full\.\S+, volume \d/)
    assert.ok(volumes(desk).length >= 4)
    assert.equal(desk.ibt('list', 'src', '--store', 'there').status, 1)
    assertResumes(desk)
  }
)

test(
  'a receiver that is killed loses at most one volume, and its lock is no obstacle',
  oracle('bash', 'rsync'),
  async t => {
    const desk = makeDesk(t)
    succeed(desk, 'ibt backup src')
    const { sender, receiver } = start(desk)
    await pump(sender, receiver, bytes => bytes > 1_000_000)
    await receiver.until(() => volumes(desk).length >= 3)
    receiver.child.kill('SIGKILL')
    await receiver.ended
    sender.child.stdout!.destroy()
    assert.equal((await sender.ended).status, 1)
    assertResumes(desk)
    // In step, there is nothing more to send.
    assert.match(succeed(desk, RESUME), /No new backup/)
  }
)

test('what makes no sense is a mistake in what was typed', async t => {
  const desk = makeDesk(t)
  const wrong = [
    'backup src --out x.tar',
    'backup src --out - --skip-unchanged',
    'backup src --out - --dry-run',
    'backup src --volume-size 1M',
    'export src --all --at latest',
    'export src --resume nothing',
    'export src --volume-size 0',
    'import --resume-info',
    'import --discard',
    'import --at 2020-01-01',
    'import --tar --key k'
  ]
  const ended = await Promise.all(wrong.map(args => desk.start(args.split(' ')).ended))
  assert.deepEqual(
    ended.map(({ status }, i) => [wrong[i], status]),
    wrong.map(args => [args, 2])
  )
  assert.deepEqual(readdirSync(desk.path).includes('store'), false)
  // Nothing was ever sent: that has nothing to do with a store.
  const { status, stderr } = desk.ibt('incremental', 'src', '--out', '-')
  assert.equal(status, 1)
  assert.match(stderr, /No backup of src to build on/)
  assert.equal(desk.ibt('import', 'nowhere.tar').status, 1)
})
