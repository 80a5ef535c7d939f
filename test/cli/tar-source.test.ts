import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, linkSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { BIN, Desk } from '../helpers/desk.js'
import { assertSameTree } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/d'), { recursive: true })
  for (const name of ['d/one', 'd/two', 'd/three'])
    writeFileSync(desk.at('src', name), createRandom(name.length).bytes(90_000))
  writeFileSync(desk.at('src/a'), 'a')
  linkSync(desk.at('src/a'), desk.at('src/b'))
  return desk
}

/** What a line of bash does, in which `ibt` is this one; it fails if any process of a pipe does. */
function inShell(desk: Desk, line: string) {
  const script = `ibt() { '${process.execPath}' '${BIN}' "$@"; }; set -o pipefail; ${line}`
  return spawnSync('bash', ['-c', script], { cwd: desk.path, env: desk.env, encoding: 'utf8' })
}

test('a tar on stdin is backed up, at first whole and then what has changed', oracle('bash', 'tar', 'rsync'), t => {
  const desk = makeDesk(t)
  const backup = 'tar --format=posix --sort=name -cf - -C src . | ibt backup - --key k --skip-unchanged --json'
  const report = (line: string) => {
    const { status, stdout, stderr } = inShell(desk, line)
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout.trim().split('\n').at(-1)!)
  }
  assert.equal(report(backup).kind, 'full')
  // From anywhere: a tar has no path.
  assert.equal(
    report(`cd src/d && export IBT_STORE=../../store IBT_CACHE=../../cache && ${backup.replace('src', '..')}`).isStored,
    false
  )
  writeFileSync(desk.at('src/d/two'), createRandom(9).bytes(100))
  const { kind, totals } = report(backup)
  assert.deepEqual([kind, totals.updated, totals.deleted], ['incremental', 1, 0])
  const { status } = inShell(desk, 'ibt restore k out && ibt verify k --read-data')
  assert.equal(status, 0)
  assertSameTree(desk.at('out'), desk.at('src'))
})

test('a tar whose names lead elsewhere or come in another order is taken with options', oracle('bash', 'tar'), t => {
  const desk = makeDesk(t)
  const unsorted = 'tar -cf - src/d/two src/d src/a'
  const refused = inShell(desk, `${unsorted} | ibt backup - --key k`)
  assert.match(refused.stderr, /not path order/)
  assert.deepEqual(
    readdirSync(desk.at('store')).filter(name => name.startsWith('k.')),
    []
  )
  const taken = inShell(desk, `${unsorted} | ibt backup - --key k --sort spool --strip-components 1 --exclude three`)
  assert.equal(taken.status, 0, taken.stderr)
  const { stdout } = desk.ibt('ls', 'k', '--json')
  const paths = stdout.trim().split('\n')
  assert.deepEqual(
    paths.map(line => JSON.parse(line).path),
    ['.', 'a', 'd', 'd/one', 'd/two']
  )
})

test('a tar that is cut off, or of another source, is refused', oracle('bash', 'tar'), t => {
  const desk = makeDesk(t)
  desk.ibt('backup', 'src', '--key', 'taken')
  assert.equal(inShell(desk, 'tar --sort=name -cf - -C src . | ibt backup - --key taken').status, 5)
  for (const input of ['</dev/null', '< <(tar --sort=name -cf - -C src . | head -c 50000)']) {
    assert.equal(inShell(desk, `ibt backup - --key k ${input}`).status, 4)
  }
  assert.deepEqual(
    readdirSync(desk.at('store')).filter(name => name.startsWith('k.')),
    []
  )
  for (const options of [
    '',
    '--key k --one-file-system',
    '--key k --files-from names',
    '--key k --ignore-file x',
    '--key k --strip-components x',
    '--key k --sort fast'
  ]) {
    assert.equal(inShell(desk, `ibt backup - ${options} </dev/null`).status, 2, options)
  }
  assert.equal(desk.ibt('backup', 'src', '--sort', 'spool').status, 2)
})

test('an interrupt ends a run that waits for its tar', async t => {
  const desk = makeDesk(t)
  const run = desk.start(['backup', '-', '--key', 'k'])
  await run.until(() => existsSync(desk.at('store/k.lock')))
  // Its stdin stays open.
  run.child.kill('SIGINT')
  assert.equal((await run.ended).status, 130)
  assert.deepEqual(readdirSync(desk.at('store')), [])
})
