import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { Desk, type Ended } from '../../helpers/desk.js'
import { assertSameTree } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { SshServer } from '../../helpers/ssh-server.js'

test('ibt backs up to an SFTP server, restores, prints a file and prunes', oracle('sshd', 'ssh', 'rsync'), async t => {
  const desk = new Desk(t)
  const server = await SshServer.start(desk.at('server'))
  t.after(() => server.stop())
  const store = server.url(desk.at('remote/backups'))
  // The server is in this process.
  const ibt = async (...args: string[]): Promise<Ended> => {
    const ended = await desk.start([...args, '--store', store]).ended
    assert.equal(ended.status, 0, ended.stderr)
    return ended
  }
  mkdirSync(desk.at('src/sub'), { recursive: true })
  for (let i = 0; i < 30; i++) writeFileSync(desk.at('src/sub', `file-${i}`), `content ${i}\n`.repeat(i * 100))
  writeFileSync(desk.at('src/large'), Buffer.alloc(3_000_000, 'abc'))
  await ibt('full', 'src')
  appendFileSync(desk.at('src/large'), 'more')
  rmSync(desk.at('src/sub/file-3'))
  await ibt('incremental', 'src')
  await ibt('restore', 'src', 'out')
  assertSameTree(desk.at('out'), desk.at('src'))
  assert.equal((await ibt('cat', 'src', 'sub/file-2')).stdout, readFileSync(desk.at('src/sub/file-2'), 'utf8'))
  await ibt('verify', 'src', '--read-data')
  await ibt('full', 'src')
  await ibt('prune', 'src', '--keep-last', '1', '--grace', '0')
  const left = readdirSync(desk.at('remote/backups'))
  assert.equal(left.filter(name => name.startsWith('src.state.')).length, 1)
  assert.deepEqual(
    left.filter(name => name.startsWith('.')),
    []
  )
})
