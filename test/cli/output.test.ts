import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { BIN, Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/a'), createRandom(1).bytes(300_000))
  return desk
}

/** Exit code of `ibt` within a line of a shell, and what comes out of stderr. */
function inShell(desk: Desk, line: string): { readonly status: number | null; readonly stderr: string } {
  const script = `ibt() { '${process.execPath}' '${BIN}' "$@"; }; ${line}; exit "\${PIPESTATUS[0]}"`
  const { status, stderr } = spawnSync('bash', ['-c', script], { cwd: desk.path, env: desk.env, encoding: 'utf8' })
  return { status, stderr }
}

function damage(desk: Desk, key = 'src'): void {
  const name = readdirSync(desk.at('store')).find(artifact => artifact.startsWith(`${key}.full.`))!
  const bytes = readFileSync(desk.at('store', name))
  bytes[1000]! ^= 0xff
  writeFileSync(desk.at('store', name), bytes)
}

const OUTPUTS = ['| true', '>/dev/full', '>&-', '2>/dev/full >/dev/full', '2>&1 | true']

test('an output that is closed or full changes nothing of what a run does, nor of its exit code', oracle('bash'), t => {
  const desk = makeDesk(t)
  for (const [i, output] of OUTPUTS.entries()) {
    assert.equal(inShell(desk, `ibt full nosuch --json ${output}`).status, 1)
    assert.equal(inShell(desk, `ibt nosuch --json ${output}`).status, 2)
    for (const json of ['', '--json']) {
      const key = `key${i}${json}`
      const full = inShell(desk, `ibt full src --key ${key} ${json} ${output}`)
      assert.equal(full.status, 0, `${output}: ${full.stderr}`)
      assert.doesNotMatch(full.stderr, /\n\s+at /)
      const restored = inShell(desk, `ibt restore ${key} out${key} ${json} ${output}`)
      assert.equal(restored.status, 0, restored.stderr)
      assert.ok(existsSync(desk.at(`out${key}/a`)))
      assert.equal(inShell(desk, `ibt verify ${key} --read-data ${json} ${output}`).status, 0)
    }
  }
  assert.match(inShell(desk, 'ibt verify key0 >/dev/full').stderr, /ibt: Cannot write to stdout: ENOSPC/)
  damage(desk, 'key0')
  for (const output of OUTPUTS) {
    assert.equal(inShell(desk, `ibt verify key0 --read-data ${output}`).status, 4, output)
    assert.equal(inShell(desk, `ibt verify key0 --read-data --json ${output}`).status, 4, output)
  }
})

test(
  'a listing that nobody reads to its end is none the worse; one that is lost on a full disk is',
  oracle('bash'),
  t => {
    const desk = makeDesk(t)
    for (let i = 0; i < 3000; i++) writeFileSync(desk.at('src', `file ${i}`), '')
    desk.ibt('full', 'src')
    for (const command of ['list', 'ls src', 'ls src --json', 'help', '--version']) {
      const { status, stderr } = inShell(desk, `ibt ${command} | head -c 1 >/dev/null`)
      assert.deepEqual([status, stderr], [0, ''], command)
    }
    for (const command of ['list', 'ls src', 'ls src --json']) {
      const { status, stderr } = inShell(desk, `ibt ${command} >/dev/full`)
      assert.equal(status, 1)
      assert.match(stderr, /^ibt: Cannot write to stdout: ENOSPC.*\n\(ibt help IBT_WRITE_FAILED/)
    }
    // What is wrong behind the place where the reader stopped is found.
    const state = readdirSync(desk.at('store')).find(name => name.includes('.state.'))!
    const bytes = readFileSync(desk.at('store', state))
    bytes[bytes.length >> 1]! ^= 0xff
    writeFileSync(desk.at('store', state), bytes)
    assert.equal(inShell(desk, 'ibt ls src --no-cache | head -c 1 >/dev/null').status, 4)
  }
)

test('a tar or a delta that did not all go out is a failure', oracle('bash'), t => {
  const desk = makeDesk(t)
  desk.ibt('full', 'src')
  // A pipe whose reader has gone: with `| true` a few bytes could still find room in it.
  for (const output of ['>&3', '>/dev/full']) {
    for (const command of ['restore src -', 'restore src - --json', 'signature src/a -']) {
      const { status, stderr } = inShell(desk, `exec 3> >(true); wait $!; ibt ${command} ${output}`)
      assert.equal(status, 1, command)
      assert.match(stderr, /IBT_WRITE_FAILED/)
      assert.doesNotMatch(stderr, /\n\s+at /)
    }
  }
})

interface LastLine {
  readonly event: string
  readonly exitCode: number
  readonly code?: string
  readonly message?: string
}

function lastLine(text: string): LastLine {
  return JSON.parse(text.trimEnd().split('\n').at(-1)!)
}

test('the last line of --json says how the run ended, whatever happened', t => {
  const desk = makeDesk(t)
  const failures: readonly (readonly [number, string, ...string[]])[] = [
    [1, 'IBT_READ_FAILED', 'full', 'nosuch'],
    [1, 'IBT_NO_BACKUP', 'incremental', 'src'],
    [1, 'IBT_READ_FAILED', 'backup', 'nosuch'],
    [1, 'IBT_NO_BACKUP', 'list', 'nosuch'],
    [1, 'IBT_NO_BACKUP', 'ls', 'nosuch'],
    [1, 'IBT_NO_BACKUP', 'diff', 'nosuch'],
    [1, 'IBT_NO_BACKUP', 'verify', 'nosuch'],
    [1, 'IBT_NO_BACKUP', 'restore', 'nosuch', 'out'],
    [2, 'USAGE', 'full'],
    [2, 'USAGE', 'full', 'src', '--nonsense'],
    [2, 'USAGE', 'full', 'src', '--compress', 'rar'],
    [2, 'USAGE', 'full', ''],
    [2, 'USAGE', 'restore', 'src', 'out', '--delete'],
    [2, 'USAGE', 'restore', 'src', 'out', '--at', 'some day'],
    [2, 'USAGE', 'nonsense'],
    [2, 'USAGE', 'help', 'nonsense']
  ]
  desk.ibt('full', 'src', '--key', 'other')
  for (const [exitCode, code, ...args] of failures) {
    const { status, stdout, stderr } = desk.ibt(...args, '--json')
    const last = lastLine(stdout)
    assert.deepEqual([status, last.event, last.exitCode, last.code], [exitCode, 'failed', exitCode, code], `${args}`)
    assert.ok(last.message!.length > 10 && stderr.includes('ibt: '), `${args}: ${stderr}`)
  }
  const { stdout, stderr } = desk.ibt('restore', 'nosuch', '-', '--json')
  assert.deepEqual([stdout, lastLine(stderr).code], ['', 'IBT_NO_BACKUP'])
})

test('the last line of --json has the exit code of a run that is done, too', t => {
  const desk = makeDesk(t)
  const done = [
    ['full', 'src'],
    ['backup', 'src'],
    ['verify', 'src'],
    ['restore', 'src', 'out']
  ]
  for (const args of done) {
    const { event, exitCode } = lastLine(desk.ibt(...args, '--json').stdout)
    assert.deepEqual([event, exitCode], ['report', 0], `${args}`)
  }
  const nothing = lastLine(desk.ibt('restore', 'src', 'out2', '--path', 'nosuch', '--json').stdout)
  assert.deepEqual([nothing.event, nothing.exitCode], ['report', 1])
  damage(desk)
  assert.equal(lastLine(desk.ibt('verify', 'src', '--read-data', '--json').stdout).exitCode, 4)
})

test('a run that is cancelled says so in the last line of --json', async t => {
  const desk = makeDesk(t)
  for (let i = 0; i < 8; i++)
    appendFileSync(
      desk.at('src/large'),
      createRandom(i)
        .bytes(4 << 20)
        .toString('base64')
    )
  const run = desk.start(['full', 'src', '--json', '--compress', 'zstd:19'])
  await run.until(() => existsSync(desk.at('store/src.lock')))
  run.child.kill('SIGTERM')
  const { status, stdout } = await run.ended
  const { event, exitCode, code } = lastLine(stdout)
  assert.deepEqual([status, event, exitCode, code], [143, 'failed', 143, 'CANCELLED'])
})
