import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Desk } from '../helpers/desk.js'

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/file'), 'text')
  return desk
}

/** Whether this user may mount a file system. */
function mounts(): { skip: string | false } {
  const isMounted = spawnSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt']).status === 0
  return { skip: isMounted ? false : 'this user may not mount a file system here' }
}

test('a store whose disk is not mounted is refused with exit code 5, and --init begins anew', mounts(), t => {
  const desk = makeDesk(t)
  mkdirSync(desk.at('mnt'))
  const backup = (...options: string[]) => desk.ibt('backup', 'src', '--store', 'mnt/backups', ...options)
  assert.equal(spawnSync('mount', ['-t', 'tmpfs', 'tmpfs', desk.at('mnt')]).status, 0)
  try {
    assert.equal(backup().status, 0)
    assert.equal(backup().status, 0)
  } finally {
    spawnSync('umount', [desk.at('mnt')])
  }
  const { status, stderr } = backup()
  assert.equal(status, 5)
  assert.match(stderr, /has no backup of src.*is its disk mounted\?/)
  assert.deepEqual(readdirSync(desk.at('mnt')), [])
  assert.equal(backup('--init').status, 0)
  assert.equal(backup().status, 0)
})

test('what lies beside artifacts changes nothing for any command', t => {
  const desk = makeDesk(t)
  assert.equal(desk.ibt('backup', 'src').status, 0)
  const names = readdirSync(desk.at('store'))
  for (const name of names) {
    for (const ending of ['.sha256', '.asc', '.par2', '.part']) writeFileSync(desk.at('store', name + ending), 'x')
  }
  for (const command of ['list', 'restore src out', 'verify src --read-data', 'backup src', 'full src']) {
    const { status, stderr } = desk.ibt(...command.split(' '))
    assert.equal(status, 0, `${command}: ${stderr}`)
  }
})

test('a damaged state costs its own line of the list, and the exit code says so', t => {
  const desk = makeDesk(t)
  for (const key of ['a', 'b']) assert.equal(desk.ibt('backup', 'src', '--key', key).status, 0)
  writeFileSync(desk.at('src/file'), 'another text')
  assert.equal(desk.ibt('backup', 'src', '--key', 'a').status, 0)
  rmSync(desk.at('cache'), { recursive: true })
  const [first, second] = readdirSync(desk.at('store')).filter(name => name.startsWith('a.state.'))
  truncateSync(desk.at('store', first!), 100)
  const { status, stdout } = desk.ibt('list')
  assert.equal(status, 4)
  assert.match(stdout, /^a .* full +unreadable: .*\na .* incremental .*\nb .* full .*\n$/)
  assert.equal(desk.ibt('restore', 'a', 'out').status, 0)
  // Exchanged, neither is believed.
  assert.equal(desk.ibt('backup', 'src', '--key', 'a').status, 0)
  renameSync(desk.at('store', second!), desk.at('store', first!))
  assert.equal(desk.ibt('list', 'a', '--no-cache').status, 4)
})

test('--lock-wait waits for another run, and no longer than it says', async t => {
  const desk = makeDesk(t)
  mkdirSync(desk.at('store'))
  const holder = { pid: process.pid, host: hostname(), startedNs: '1700000000000000000', token: 'a'.repeat(32) }
  const lock = join(desk.at('store'), 'src.lock')
  writeFileSync(lock, JSON.stringify(holder))
  assert.equal(desk.ibt('backup', 'src').status, 5)
  assert.equal(desk.ibt('backup', 'src', '--lock-wait', '0.1').status, 5)
  assert.equal(desk.ibt('backup', 'src', '--lock-wait', 'long').status, 2)
  const waiting = desk.start(['backup', 'src', '--lock-wait', '120'])
  await setTimeout(1000)
  rmSync(lock)
  assert.equal((await waiting.ended).status, 0)
})

test('a store that names another machine is a mistake of usage, and no directory', t => {
  const desk = makeDesk(t)
  for (const name of ['rclone:remote', 'host:backups']) {
    const { status, stderr } = desk.ibt('backup', 'src', '--store', name)
    assert.deepEqual([status, /is not a path on this machine/.test(stderr)], [2, true])
  }
  assert.deepEqual(readdirSync(desk.path), ['src'])
})
