import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Desk } from '../helpers/desk.js'
import { assertSameTree, copyTree } from '../helpers/judges.js'
import { identityFile, makeKeyPair } from '../helpers/keys.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import type { Said } from '../helpers/warm-ibt.js'

const [host, recovery, stranger] = [await makeKeyPair(), await makeKeyPair(), await makeKeyPair()]

function succeeds({ status, stdout, stderr }: Said): string {
  assert.equal(status, 0, stderr)
  return stdout + stderr
}

function refused({ status, stderr }: Said, message: RegExp): void {
  assert.equal(status, 5, stderr)
  assert.match(stderr, message)
}

function fill(desk: Desk): void {
  mkdirSync(desk.at('src/sub'), { recursive: true })
  writeFileSync(desk.at('src/sub/large'), createRandom(1).bytes(400_000))
  writeFileSync(desk.at('src/text'), 'first\n')
}

/** Changes a file that is stored as a delta, and one that is stored whole. */
function edit(desk: Desk, round: number): void {
  const bytes = readFileSync(desk.at('src/sub/large'))
  bytes[round * 1000]! ^= 1
  writeFileSync(desk.at('src/sub/large'), bytes)
  appendFileSync(desk.at('src/text'), `round ${round}\n`)
}

const dates = (desk: Desk) => [
  ...new Set(readdirSync(desk.at('store')).flatMap(name => /\.state\.(\d{8}T\d{6}\.\d{3}Z)\./.exec(name)?.[1] ?? []))
]

test(
  'a life with two recipients: every command, and by hand with age, zstd and tar',
  oracle('age', 'zstd', 'tar', 'rsync', 'bash'),
  t => {
    const desk = new Desk(t)
    const identity = identityFile(desk.path, host)
    const other = identityFile(desk.path, recovery, 'recovery.txt')
    writeFileSync(desk.at('recipients.txt'), `# host and recovery\n${host.recipient}\n${recovery.recipient}\n`)
    const to = ['--recipients-file', 'recipients.txt', '--identity', identity]
    fill(desk)
    succeeds(desk.ibt('full', 'src', ...to))
    copyTree(desk.at('src'), desk.at('first'))
    edit(desk, 1)
    succeeds(desk.ibt('incremental', 'src', ...to))
    edit(desk, 2)
    succeeds(desk.ibt('backup', 'src', ...to))
    const [first, second] = dates(desk).sort()
    // The other recipient reads it all, out of the environment too.
    succeeds(desk.ibt('restore', 'src', 'out', '--identity', other))
    assertSameTree(desk.at('out'), desk.at('src'), 'restored')
    desk.env.IBT_IDENTITY = other
    assert.match(succeeds(desk.ibt('list')), /full[\s\S]*incremental/)
    assert.equal(desk.ibt('cat', 'src', 'text', '--at', second!).stdout, 'first\nround 1\n')
    assert.match(succeeds(desk.ibt('verify', 'src', '--read-data')), /is complete/)
    delete desk.env.IBT_IDENTITY
    // By hand: a full is a tar, and its digest is that of the file.
    const byHand = `mkdir hand && age -d -i "$1" store/src.full.${first}.tar.zst.age | zstd -dq | tar -xf - -C hand`
    execFileSync('bash', ['-euo', 'pipefail', '-c', byHand, 'bash', identity], { cwd: desk.path })
    assertSameTree(desk.at('hand'), desk.at('first'), 'by hand')
    const state = `age -d -i "$1" store/src.state.${second}.json.zst.age | zstd -dq`
    const text = execFileSync('bash', ['-euo', 'pipefail', '-c', state, 'bash', identity], { cwd: desk.path })
    assert.equal(JSON.parse(text.toString()).key, 'src')
    assert.match(text.toString(), /\.age"/)
    // Nothing goes on in plain text, nor without a key.
    refused(desk.ibt('merge', 'src', '--identity', identity), /IBT_NOT_ENCRYPTED/)
    refused(desk.ibt('full', 'src'), /IBT_NOT_ENCRYPTED/)
    refused(desk.ibt('restore', 'src', 'none'), /src\.state\..*is encrypted.*--identity FILE[\s\S]*IBT_KEY_MISSING/)
    refused(
      desk.ibt('restore', 'src', 'none', '--identity', identityFile(desk.path, stranger, 's.txt')),
      /IBT_KEY_WRONG/
    )
    succeeds(desk.ibt('merge', 'src', ...to))
    succeeds(desk.ibt('prune', 'src', '--keep-last', '1', '--grace', '0', '--identity', identity))
    rmSync(desk.at('out'), { recursive: true })
    succeeds(desk.ibt('restore', 'src', 'out', '--identity', other))
    assertSameTree(desk.at('out'), desk.at('src'), 'merged')
    assert.ok(readdirSync(desk.at('store')).every(name => name.endsWith('.age')))
  }
)

test('a passphrase, and mistakes in what is typed', t => {
  const desk = new Desk(t)
  fill(desk)
  writeFileSync(desk.at('phrase'), 'correct horse battery staple\n')
  writeFileSync(desk.at('bad.txt'), 'AGE-SECRET-KEY-1SECRET?\n')
  desk.env.IBT_PASSPHRASE_FILE = 'phrase'
  succeeds(desk.ibt('full', 'src'))
  assert.equal(desk.ibt('cat', 'src', 'text').stdout, 'first\n')
  delete desk.env.IBT_PASSPHRASE_FILE
  refused(desk.ibt('ls', 'src'), /IBT_KEY_MISSING/)
  const wrong: [string[], RegExp][] = [
    [['--encrypt', 'ssh-ed25519 AAAA'], /SSH key.*age-keygen/],
    [['--encrypt', 'bob'], /is not a recipient/],
    [['--encrypt', 'AGE-SECRET-KEY-1SECRET?'], /is a secret key.*age-keygen -y/],
    [['--identity', 'missing.txt'], /Cannot read missing.txt/],
    [['--identity', 'bad.txt'], /Line 1 of bad.txt is not an identity/],
    [['--encrypt', `${host.recipient}x`], /is not a recipient/]
  ]
  for (const [args, message] of wrong) {
    const { status, stderr } = desk.ibt('full', 'src', '--key', 'other', ...args)
    assert.equal(status, 2, stderr)
    assert.match(stderr, message)
    assert.doesNotMatch(stderr, /SECRET\?/)
  }
})

test(
  'a machine with only a public key lists, makes increments, prunes and verifies, and cannot read',
  oracle('rsync'),
  t => {
    const desk = new Desk(t)
    const identity = identityFile(desk.path, recovery)
    const local = ['--local-state', 'local']
    const to = ['--encrypt', recovery.recipient, ...local]
    fill(desk)
    // What happens when it is lost is said beforehand.
    assert.match(succeeds(desk.ibt('full', 'src', ...to)), /incremental needs local: if it is lost, make a full/)
    for (const round of [1, 2]) {
      edit(desk, round)
      const report = succeeds(desk.ibt('incremental', 'src', ...to))
      assert.match(report, /2 updated/)
      assert.match(report, /src\.updated\./)
    }
    assert.equal(statSync(desk.at('local/file-keys.txt')).mode & 0o777, 0o600)
    assert.match(succeeds(desk.ibt('list', ...local)), /full[\s\S]*incremental[\s\S]*incremental/)
    assert.match(succeeds(desk.ibt('verify', 'src', '--digests', ...local)), /is complete/)
    refused(desk.ibt('verify', 'src', '--read-data', ...local), /can only write/)
    refused(desk.ibt('cat', 'src', 'text', ...local), /can only write.*--identity/)
    refused(desk.ibt('merge', 'src', ...to), /IBT_KEY_MISSING/)
    succeeds(desk.ibt('prune', 'src', '--keep-last', '2', '--grace', '0', ...local))
    assert.equal(dates(desk).length, 2)
    // Without the cache, and with the store's copies of states gone from it: what is local is enough to go on.
    rmSync(desk.at('cache'), { recursive: true, force: true })
    edit(desk, 3)
    succeeds(desk.ibt('incremental', 'src', ...to, '--no-cache'))
    succeeds(desk.ibt('restore', 'src', 'out', '--identity', identity))
    assertSameTree(desk.at('out'), desk.at('src'), 'restored by the other')
    // A bit that flips in the store is seen without a key.
    const archive = desk.at('store', readdirSync(desk.at('store')).find(name => name.includes('.full.'))!)
    const bytes = readFileSync(archive)
    bytes[bytes.length >> 1]! ^= 1
    writeFileSync(archive, bytes)
    assert.equal(desk.ibt('verify', 'src', ...local).status, 0)
    assert.equal(desk.ibt('verify', 'src', '--digests', ...local).status, 4)
  }
)

test(
  'a local state that is lost is said, a full goes on without it, and an identity rebuilds it',
  oracle('rsync'),
  t => {
    const desk = new Desk(t)
    const identity = identityFile(desk.path, recovery)
    const to = ['--encrypt', recovery.recipient, '--local-state', 'local']
    fill(desk)
    succeeds(desk.ibt('full', 'src', ...to))
    edit(desk, 1)
    succeeds(desk.ibt('incremental', 'src', ...to))
    rmSync(desk.at('local'), { recursive: true })
    edit(desk, 2)
    for (const command of ['incremental', 'backup']) {
      const before = readdirSync(desk.at('store'))
      refused(
        desk.ibt(command, 'src', ...to),
        /local state .*was lost.*ibt full.*--identity FILE rebuilds[\s\S]*IBT_KEY_MISSING/
      )
      assert.deepEqual(readdirSync(desk.at('store')), before)
    }
    // Only the file with the keys is lost: the copies alone are of no use.
    rmSync(desk.at('local/file-keys.txt'), { force: true })
    assert.match(desk.ibt('list', 'src', '--local-state', 'local').stdout, /unreadable/)
    succeeds(desk.ibt('incremental', 'src', ...to, '--identity', identity))
    // From now on the identity is not needed, not for the signatures of the first backup either.
    edit(desk, 3)
    assert.match(succeeds(desk.ibt('incremental', 'src', ...to)), /src\.updated\./)
    rmSync(desk.at('local'), { recursive: true })
    edit(desk, 4)
    assert.match(succeeds(desk.ibt('full', 'src', ...to)), /Full because: the newest backup is encrypted, and no key/)
    edit(desk, 5)
    succeeds(desk.ibt('incremental', 'src', ...to))
    succeeds(desk.ibt('restore', 'src', 'out', '--identity', identity))
    assertSameTree(desk.at('out'), desk.at('src'), 'restored')
  }
)
