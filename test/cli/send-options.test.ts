import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { BIN, Desk, type Ended } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'

const RECEIVE = `'${process.execPath}' '${BIN}' receive --no-cache`

/** A desk with `src`: files of 400 kB. */
function deskWith(t: TestContext, files: number): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  for (let i = 0; i < files; i++) writeFileSync(desk.at('src', `file ${i}`), createRandom(i).bytes(400_000))
  return desk
}

function succeeds({ status, stdout, stderr }: Ended): string {
  assert.equal(status, 0, stderr)
  return stdout + stderr
}

const isSame = (desk: Desk, a: string, b: string) => execFileSync('diff', ['-r', desk.at(a), desk.at(b)])
const states = (desk: Desk) => readdirSync(desk.at('store')).filter(name => name.includes('.state.'))

test('--checkpoint stores backup after backup, and a later run goes on behind the last', oracle('diff'), t => {
  const desk = deskWith(t, 6)
  // The receiver of the second one dies.
  const dies = `test -e once && exit 1; touch once; exec ${RECEIVE}`
  const cut = desk.ibt('send', 'src', '--checkpoint', '1M', '--to-command', dies)
  assert.equal(cut.status, 1, cut.stderr)
  assert.match(cut.stderr, /Checkpoint \S+ is stored: 4 files to come[\s\S]*IBT_CONNECTION_LOST/)
  const report = JSON.parse(
    desk
      .ibt('send', 'src', '--checkpoint', '1M', '--json', '--to-command', `${RECEIVE} --quiet`)
      .stdout.trim()
      .split('\n')
      .at(-1)!
  )
  assert.deepEqual([report.exitCode, report.kind, report.postponedFiles], [0, 'incremental', 0])
  assert.deepEqual([report.totals.created, report.totals.unchanged, states(desk).length], [2, 5, 3])
  succeeds(desk.ibt('restore', 'src', 'out'))
  isSame(desk, 'out', 'src')
})

test('ibt send takes names from a file, a tar, and sources of a config', oracle('diff', 'bash', 'tar'), t => {
  const desk = deskWith(t, 1)
  for (const name of ['one', 'two', 'line\nfeed']) writeFileSync(desk.at('src', name), name)
  writeFileSync(desk.at('names'), 'line\nfeed\0one\0')
  const to = ['--to-command', RECEIVE]
  succeeds(desk.ibt('send', 'src', '--files-from', 'names', '-0', '--key', 'named', ...to))
  succeeds(desk.ibt('restore', 'named', 'named'))
  assert.deepEqual(readdirSync(desk.at('named')).sort(), ['line\nfeed', 'one'])

  const script = 'tar --sort=name -C src -cf - . | "$0" "$1" send - --key tar --to-command "$2"'
  const options = { cwd: desk.path, env: desk.env, stdio: 'pipe' } as const
  execFileSync('bash', ['-c', script, process.execPath, BIN, RECEIVE], options)
  succeeds(desk.ibt('restore', 'tar', 'tar'))
  isSame(desk, 'tar', 'src')

  const hooks = "{ after: ({ date }) => console.error('stored', date) }"
  const photos = `{ path: 'src', rules: { exclude: ['two'] }, hooks: ${hooks} }`
  writeFileSync(
    desk.at('ibt.config.mjs'),
    `export default { sources: { photos: ${photos}, papers: { path: 'named' } } }`
  )
  const all = desk.ibt('send', '--exclude', 'one', '--json', ...to)
  assert.match(succeeds(all), /stored 2\d{7}T/)
  const run = JSON.parse(all.stdout.trim().split('\n').at(-1)!)
  assert.deepEqual(
    run.sources.map(({ key, exitCode }: { key: string; exitCode: number }) => `${key} ${exitCode}`),
    ['photos 0', 'papers 0']
  )
  assert.deepEqual(JSON.parse(desk.ibt('ls', 'photos', '--json').stdout.split('\n')[0]!).path, '.')
  assert.doesNotMatch(desk.ibt('ls', 'photos').stdout, /one|two/)

  writeFileSync(desk.at('ibt.config.mjs'), "export default { sources: { secret: { path: 'src', signKey: 'a key' } } }")
  for (const [args, message] of [
    [to, /belong to ibt receive/],
    [['-', '--key', 'tar'], /stdin is the connection/],
    [['src', '--files-from', '-'], /stdin is the connection/],
    [['src', '--checkpoint', '1M'], /several connections/],
    [['-', '--key', 'tar', '--checkpoint', '1M', ...to], /a tar cannot be/]
  ] as const) {
    const { status, stderr } = desk.ibt('send', ...args)
    assert.equal(status, 2, `${args}: ${stderr}`)
    assert.match(stderr, message)
  }
})

test('--metrics of both ends says what a backup has come to', t => {
  const desk = deskWith(t, 1)
  const send = (command: string) =>
    desk.ibt('send', 'src', '--key', 'mine', '--metrics', 'sent.prom', '--to-command', command)
  succeeds(send(`${RECEIVE} --metrics received.prom`))
  const sent = readFileSync(desk.at('sent.prom'), 'utf8')
  assert.match(sent, /^ibt_run_exit_code\{operation="backup",key="mine"\} 0$/m)
  assert.match(sent, /^ibt_source_files\{operation="backup",key="mine"\} 1$/m)
  const received = readFileSync(desk.at('received.prom'), 'utf8')
  assert.match(received, /^ibt_stored_bytes\{operation="receive",key="mine"\} [1-9]/m)
  assert.equal(send('exit 1').status, 1)
  const failed = readFileSync(desk.at('sent.prom'), 'utf8')
  assert.match(failed, /^ibt_run_exit_code\{operation="backup",key="mine"\} 1$/m)
  assert.match(failed, /^ibt_run_success_time_seconds/m)
})
