import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { BIN, Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'

/** A desk with backups of `src`, whose paths are typed, and an `ibt` on the path. */
function makeDesk(t: TestContext): Desk {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/sub/deep'), { recursive: true })
  writeFileSync(desk.at('src/sub/file one.txt'), 'its content\n')
  writeFileSync(desk.at('src/sub/deep/x'), 'x')
  writeFileSync(desk.at('src/other'), 'x')
  mkdirSync(desk.at('bin'))
  writeFileSync(desk.at('bin/ibt'), `#!/bin/sh\nexec '${process.execPath}' '${BIN}' "$@"\n`)
  chmodSync(desk.at('bin/ibt'), 0o755)
  desk.env.PATH = `${desk.at('bin')}:${process.env.PATH}`
  desk.env.HOME = desk.path
  desk.env.TERM = 'xterm'
  // A machine that is loaded completes nothing in the time of a TAB.
  desk.env.IBT_COMPLETION_MS = '600000'
  assert.equal(desk.ibt('full', 'src').status, 0)
  return desk
}

/** What could stand at the end of the words. */
function complete(desk: Desk, ...words: string[]): string[] {
  const { status, stdout, stderr } = desk.ibt('__complete', 'zsh', ...words)
  assert.deepEqual([status, stderr], [0, ''], words.join(' '))
  return stdout
    .split('\n')
    .filter(line => line !== '')
    .map(line => line.split('\t')[0]!)
}

test('commands, options and their values are completed', t => {
  const desk = makeDesk(t)
  assert.deepEqual(complete(desk, 'rest'), ['restore'])
  assert.ok(complete(desk, '').length > 30)
  assert.deepEqual(complete(desk, 'plan', 'rest'), ['restore'])
  assert.deepEqual(complete(desk, 'backup', '--exclude-i'), ['--exclude-if-present'])
  assert.deepEqual(complete(desk, 'backup', '--compress', 'z'), ['zstd'])
  assert.deepEqual(complete(desk, 'backup', '--compress=g'), ['--compress=gzip'])
  assert.deepEqual(complete(desk, 'restore', 'src', 'out', '--overwrite', ''), ['if-changed', 'always', 'never'])
  assert.deepEqual(complete(desk, 'list', '--store', ''), [':dirs'])
  assert.deepEqual(complete(desk, 'completion', ''), ['bash', 'zsh', 'fish'])
  assert.ok(complete(desk, 'help', 'exit').includes('exit-codes'))
})

test('keys, dates and paths of the store are completed, and sources of the config', t => {
  const desk = makeDesk(t)
  desk.ibt('incremental', 'src')
  assert.deepEqual(complete(desk, 'restore', ''), ['src'])
  assert.deepEqual(complete(desk, 'find', '--key', 's'), ['src'])
  const dates = complete(desk, 'restore', 'src', 'out', '--at', '')
  assert.equal(dates.length, 2)
  assert.deepEqual(dates, [...dates].sort().reverse())
  assert.deepEqual(complete(desk, 'ls', 'src', ''), ['other', 'sub/'])
  assert.deepEqual(complete(desk, 'ls', 'src', 'sub/', '--at', dates[1]!, 'sub/'), ['sub/deep/', 'sub/file one.txt'])
  assert.deepEqual(complete(desk, 'restore', 'src', 'out', '--path', './sub/d'), ['./sub/deep/'])
  assert.deepEqual(complete(desk, 'cat', 'src', 'none'), [])
  writeFileSync(desk.at('ibt.config.mjs'), "export default { store: 'store', sources: { photos: { path: 'src' } } }")
  assert.deepEqual(complete(desk, 'backup', ''), ['photos', ':dirs'])
  delete desk.env.IBT_STORE
  assert.deepEqual(complete(desk, 'ls', ''), ['src'])
})

test('a directory of many entries is passed over', t => {
  const desk = makeDesk(t)
  for (let i = 0; i < 5000; i++) writeFileSync(desk.at('src/sub/deep', `file${i}`), '')
  desk.ibt('full', 'src')
  assert.deepEqual(complete(desk, 'ls', 'src', ''), ['other', 'sub/'])
  assert.deepEqual(complete(desk, 'ls', 'src', 'sub/'), ['sub/deep/', 'sub/file one.txt'])
})

test('what is wrong is silent, and a store that does not answer is waited for no longer than a second', t => {
  const desk = makeDesk(t)
  writeFileSync(desk.at('ibt.config.mjs'), 'export default { nonsense: 1 }')
  delete desk.env.IBT_STORE
  assert.deepEqual(complete(desk, 'restore', ''), [])
  assert.deepEqual(complete(desk, 'nonsense', '--what', ''), [])
  delete desk.env.IBT_COMPLETION_MS
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  t.after(() => server.close())
  return new Promise<void>(resolve => server.once('listening', resolve)).then(() => {
    const { port } = server.address() as AddressInfo
    // The server never answers: that the command ends is the proof.
    assert.deepEqual(complete(desk, 'restore', '--no-config', '--store', `http://127.0.0.1:${port}/`, ''), [])
  })
})

/** Types into an interactive shell on a terminal until its output has what is expected. */
const TERMINAL = `
import os, pty, select, sys, time
prepare, keys, expected, *shell = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0: os.execvp(shell[0], shell)
seen = b''
def until(text):
    global seen
    end = time.time() + 300
    while text.encode() not in seen:
        if time.time() > end: sys.exit('not seen: ' + text + '\\n' + seen.decode(errors='replace'))
        if select.select([terminal], [], [], 0.2)[0]: seen += os.read(terminal, 65536)
os.write(terminal, (prepare + '; echo re""ady\\n').encode())
until('ready')
seen = b''
os.write(terminal, keys.encode())
until(expected)
os.kill(pid, 9)
`

const KEYS = 'ibt cat sr\tsu\tfi\t\n'

function typeInto(desk: Desk, prepare: string, ...shell: string[]): void {
  const args = ['-c', TERMINAL, prepare, KEYS, 'its content', ...shell]
  const { status, stdout, stderr } = spawnSync('python3', args, { cwd: desk.path, env: desk.env, encoding: 'utf8' })
  assert.equal(status, 0, stdout + stderr)
}

test('bash completes key, directory and a name with a blank', oracle('bash', 'python3'), t => {
  typeInto(makeDesk(t), 'source <(ibt completion bash)', 'bash', '--norc', '--noprofile', '-i')
})

test('zsh completes key, directory and a name with a blank', oracle('zsh', 'python3'), t => {
  typeInto(makeDesk(t), 'autoload -U compinit; compinit -D -u; source <(ibt completion zsh)', 'zsh', '-f', '-i')
})

test('fish completes with descriptions', oracle('fish'), t => {
  const desk = makeDesk(t)
  const fish = (line: string) =>
    spawnSync('fish', ['--no-config', '-c', `ibt completion fish | source; complete -C '${line}'`], {
      cwd: desk.path,
      env: desk.env,
      encoding: 'utf8'
    }).stdout
  assert.equal(fish('ibt cat src sub/fi'), 'sub/file one.txt\n')
  assert.match(fish('ibt resto'), /^restore\trestore into a directory/)
  assert.match(fish('ibt restore '), /^src\tnewest \d{8}T/)
  assert.match(fish('ibt list --store s'), /^src\//m)
})
