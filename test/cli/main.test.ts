import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { BIN, Desk } from '../helpers/desk.js'
import { oracle, reachedByNobody } from '../helpers/oracle.js'
import { runIbt } from '../helpers/warm-ibt.js'

const desks: string[] = []
after(() => {
  for (const desk of desks) rmSync(desk, { recursive: true, force: true })
})

/** A directory with a small source, and an environment that keeps backups and cache in it. */
function makeDesk(): { readonly path: string; readonly env: NodeJS.ProcessEnv } {
  const path = mkdtempSync(join(tmpdir(), 'ibt cli '))
  desks.push(path)
  mkdirSync(join(path, 'src/sub'), { recursive: true })
  writeFileSync(join(path, 'src/a.txt'), 'one\n')
  writeFileSync(join(path, 'src/sub/b.bin'), randomBytes(50_000))
  return { path, env: { ...process.env, IBT_STORE: 'store', IBT_CACHE: 'cache' } }
}

function ibt({ path, env }: ReturnType<typeof makeDesk>, ...args: string[]) {
  return runIbt(args, { cwd: path, env })
}

/** For commands whose output is bytes. */
const inDesk = ({ path, env }: ReturnType<typeof makeDesk>) => ({ cwd: path, env, maxBuffer: 1 << 26 })

test('a full, an incremental, a list, a restore and a verification end with 0', () => {
  const desk = makeDesk()
  assert.equal(ibt(desk, 'full', 'src').status, 0)
  writeFileSync(join(desk.path, 'src/a.txt'), 'two\n')
  assert.match(ibt(desk, 'backup', 'src').stdout, /1 updated/)
  assert.match(ibt(desk, 'diff', 'src').stdout, /^M a\.txt$/m)
  assert.equal(ibt(desk, 'list').stdout.trim().split('\n').length, 2)
  assert.match(ibt(desk, 'ls', 'src').stdout, /sub\/b\.bin$/m)
  assert.equal(ibt(desk, 'restore', 'src', 'out').status, 0)
  assert.equal(readFileSync(join(desk.path, 'out/a.txt'), 'utf8'), 'two\n')
  assert.equal(ibt(desk, 'verify', 'src', '--read-data').status, 0)
})

test('where there is no backup, the store that was looked in is named', () => {
  const desk = makeDesk()
  const empty = join(desk.path, 'empty')
  mkdirSync(empty)
  for (const args of [['list'], ['list', 'src'], ['ls', 'src'], ['restore', 'src', 'out'], ['incremental', 'src']]) {
    const { status, stdout, stderr } = ibt(desk, ...args, '--store', 'empty', '--json')
    assert.ok(stderr.includes(empty), `${args.join(' ')} says: ${stderr}`)
    assert.equal(status, args.length === 1 ? 0 : 1, args.join(' '))
    if (status === 0) assert.equal(stdout, '')
    else assert.equal(JSON.parse(stdout).code, 'IBT_NO_BACKUP')
  }
  assert.equal(ibt(desk, 'list', '--store', 'empty', '--quiet').stderr, '')
})

test('a backup that there is none to compare with is said to be compared with itself', () => {
  const desk = makeDesk()
  ibt(desk, 'full', 'src')
  const { status, stdout, stderr } = ibt(desk, 'diff', 'src')
  assert.deepEqual([status, stdout], [0, ''])
  assert.match(stderr, /compared with itself/)
  assert.equal(ibt(desk, 'diff', 'src', '--quiet').stderr, '')
})

test('with a key that has no backup, those that have some are named', () => {
  const desk = makeDesk()
  mkdirSync(join(desk.path, 'store'))
  for (let i = 0; i < 7; i++) writeFileSync(join(desk.path, 'store', `key${i}.full.20260101T000000.000Z.tar`), '')
  for (const args of [
    ['list', 'src'],
    ['ls', 'src'],
    ['verify', 'src']
  ]) {
    assert.match(ibt(desk, ...args).stderr, /which has key0, key1, key2, key3, key4, …\)/)
  }
})

test('what reads a store that is not there ends with 1', () => {
  const desk = makeDesk()
  for (const args of [
    ['list'],
    ['list', 'src'],
    ['ls', 'src'],
    ['diff', 'src'],
    ['verify', 'src'],
    ['restore', 'src', 'out']
  ]) {
    const { status, stdout, stderr } = ibt(desk, ...args, '--store', 'wrong', '--json')
    assert.equal(status, 1, args.join(' '))
    assert.ok(stderr.includes(join(desk.path, 'wrong')) && stderr.includes('which is not there'), stderr)
    assert.equal(JSON.parse(stdout).event, 'failed')
  }
})

test('what was typed wrong ends with 2 and a hint', () => {
  const desk = makeDesk()
  const wrong = [
    ['nonsense'],
    ['full'],
    ['full', 'src', '--nonsense'],
    ['full', ''],
    ['full', 'src', '--store', ''],
    ['list', '--store', ''],
    ['full', 'src', '--compress', 'rar'],
    ['full', 'src', '--compress', 'constructor'],
    ['full', 'src', '--exclude-larger-than', 'much'],
    ['restore', 'src', '-', '--delete'],
    ['restore', 'src', 'out', '--delete'],
    ['restore', 'src', 'out', '--overwrite', 'sometimes'],
    ['signature', 'src/a.txt'],
    ['signature', 'src/a.txt', 'sig', '--block-len', 'x'],
    ['delta', 'a', 'b', 'c', '--weak', 'rollsum']
  ]
  for (const args of wrong) {
    const { status, stderr } = ibt(desk, ...args)
    assert.equal(status, 2, `ibt ${args.join(' ')}: ${stderr}`)
    assert.notEqual(stderr, '')
  }
})

test('no backup yet ends with 1, another source under the key and a full destination with 5', () => {
  const desk = makeDesk()
  assert.equal(ibt(desk, 'incremental', 'src').status, 1)
  assert.equal(ibt(desk, 'full', 'src').status, 0)
  assert.equal(ibt(desk, 'incremental', 'src/sub', '--key', 'src').status, 5)
  assert.equal(ibt(desk, 'incremental', 'src/sub', '--key', 'src', '--allow-source-mismatch').status, 0)
  assert.equal(ibt(desk, 'restore', 'src', 'src').status, 5)
})

test('a restore over what is there writes what differs and deletes what is too much', () => {
  const desk = makeDesk()
  ibt(desk, 'full', 'src')
  writeFileSync(join(desk.path, 'src/a.txt'), 'changed')
  writeFileSync(join(desk.path, 'src/sub/more'), 'more')
  const over = ['restore', 'src', 'src', '--overwrite']
  assert.match(ibt(desk, 'restore', 'src', 'src').stderr, /--overwrite/)
  const dry = ibt(desk, ...over, 'if-changed', '--delete', '--dry-run')
  assert.deepEqual(dry.stdout.split('\n').slice(0, 3), ['M a.txt', 'm sub/', '- sub/more'])
  assert.match(
    dry.stdout,
    /Dry run: nothing was written into src, from src of .*\n {2}0 created, 1 updated, 1 touched, 1 deleted/
  )
  assert.equal(readFileSync(join(desk.path, 'src/sub/more'), 'utf8'), 'more')
  assert.equal(ibt(desk, 'restore', 'src', '-', '--dry-run').status, 2)
  assert.equal(ibt(desk, 'restore', 'src', 'nowhere', '--dry-run').status, 0)
  assert.ok(!existsSync(join(desk.path, 'nowhere')))
  assert.match(ibt(desk, ...over, 'never', '--delete').stdout, /4 left as they were, 1 deleted/)
  assert.equal(readFileSync(join(desk.path, 'src/a.txt'), 'utf8'), 'changed')
  const { status, stdout } = ibt(desk, ...over, 'if-changed', '--json')
  assert.equal(status, 0)
  const { sizeBytes, entries, unchangedEntries } = JSON.parse(stdout.trim().split('\n').at(-1)!)
  // The file, and the time of the directory that something was added to and deleted from.
  assert.deepEqual([sizeBytes, entries - unchangedEntries], [4, 2])
  assert.equal(readFileSync(join(desk.path, 'src/a.txt'), 'utf8'), 'one\n')
})

test('a restore to stdout is a tar and nothing else', oracle('tar'), () => {
  const desk = makeDesk()
  ibt(desk, 'full', 'src')
  for (const flag of ['--json', '--no-progress']) {
    const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, 'restore', 'src', '-', flag], inDesk(desk))
    assert.equal(status, 0)
    assert.match(String(stderr), flag === '--json' ? /"event":"report"/ : /Restored src of .* as a tar/)
    const listed = spawnSync('tar', ['-tvf', '-'], { input: stdout })
    assert.equal(listed.status, 0)
    assert.equal(String(listed.stderr), '')
    assert.equal(String(listed.stdout).trim().split('\n').length, 4)
  }
})

test('a tar that is cut off by its reader is no success', oracle('bash'), () => {
  const desk = makeDesk()
  writeFileSync(join(desk.path, 'src/large'), randomBytes(9_000_000))
  ibt(desk, 'full', 'src')
  const script = 'set -o pipefail; "$0" "$1" restore src - | head -c 10 >/dev/null'
  const { status, stderr } = spawnSync('bash', ['-c', script, process.execPath, BIN], inDesk(desk))
  assert.equal(status, 1)
  assert.match(String(stderr), /EPIPE/)
})

test('damage ends a verification with 4', () => {
  const desk = makeDesk()
  ibt(desk, 'full', 'src')
  const name = readdirSync(join(desk.path, 'store')).find(artifact => artifact.includes('.full.'))!
  const path = join(desk.path, 'store', name)
  const bytes = readFileSync(path)
  bytes[bytes.length >> 1]! ^= 0xff
  writeFileSync(path, bytes)
  assert.equal(ibt(desk, 'verify', 'src', '--read-data').status, 4)
  assert.equal(ibt(desk, 'restore', 'src', 'out').status, 4)
})

test('a lock that is held ends with 5', () => {
  const desk = makeDesk()
  ibt(desk, 'full', 'src')
  const holder = { pid: 1, host: 'another', since: new Date().toISOString(), startedNs: '0', token: 'x' }
  writeFileSync(join(desk.path, 'store/src.lock'), JSON.stringify(holder))
  const { status, stderr } = ibt(desk, 'incremental', 'src')
  assert.equal(status, 5)
  assert.match(stderr, /src\.lock/)
})

test('a dry run stores nothing, nor does a run without changes that is to skip them', () => {
  const desk = makeDesk()
  assert.equal(ibt(desk, 'full', 'src', '--dry-run').status, 0)
  assert.equal(existsSync(join(desk.path, 'store')), false)
  ibt(desk, 'full', 'src')
  const before = readdirSync(join(desk.path, 'store'))
  // Files this young are looked at again: their times prove nothing yet, but their bytes do.
  assert.equal(ibt(desk, 'incremental', 'src', '--skip-unchanged').status, 0)
  assert.deepEqual(readdirSync(join(desk.path, 'store')), before)
})

test('what could not be read and is as it was stores nothing with --skip-unchanged', reachedByNobody(), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  for (const name of ['a', 'b', 'later']) writeFileSync(desk.at('src', name), name)
  chmodSync(desk.at('src/b'), 0)
  const user = process.geteuid?.() === 0 ? 65534 : undefined
  if (user !== undefined) {
    for (const path of ['', ...readdirSync(desk.path, { recursive: true }).map(String)])
      lchownSync(desk.at(path), user, user)
  }
  const run = () => {
    const { status, stdout } = spawnSync(process.execPath, [BIN, 'backup', 'src', '--skip-unchanged', '--json'], {
      ...{ cwd: desk.path, env: desk.env, encoding: 'utf8' as const },
      ...(user !== undefined && { uid: user, gid: user })
    })
    const { isStored, skippedEntries } = JSON.parse(stdout.trim().split('\n').at(-1)!)
    return { status, isStored, skippedEntries }
  }
  assert.deepEqual(run(), { status: 3, isStored: true, skippedEntries: 1 })
  for (let i = 0; i < 2; i++) assert.deepEqual(run(), { status: 3, isStored: false, skippedEntries: 1 })
  // One that was read before, too: the backup has it as it was.
  chmodSync(desk.at('src/later'), 0)
  assert.deepEqual(run(), { status: 3, isStored: false, skippedEntries: 2 })
  chmodSync(desk.at('src/b'), 0o600)
  assert.deepEqual(run(), { status: 3, isStored: true, skippedEntries: 1 })
})

test('backups go nowhere unless a store is named', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  mkdirSync(desk.at('tmp'))
  delete desk.env.IBT_STORE
  desk.env.TMPDIR = desk.at('tmp')
  for (const args of [
    ['full', 'src'],
    ['backup', 'src'],
    ['list'],
    ['ls', 'src'],
    ['verify', 'src'],
    ['restore', 'src', 'out']
  ]) {
    const { status, stderr } = desk.ibt(...args)
    assert.equal(status, 2, args.join(' '))
    assert.match(stderr, /--store DIR.*IBT_STORE.*--temporary/)
  }
  assert.deepEqual(readdirSync(desk.at('tmp')), [])
  const { status, stderr } = desk.ibt('full', 'src', '--temporary')
  assert.equal(status, 0)
  assert.match(stderr, /Backups are stored in .*tmp, which a restart may empty/)
  assert.ok(readdirSync(desk.at('tmp')).some(name => name.startsWith('src.full.')))
  assert.equal(desk.ibt('verify', 'src', '--temporary').status, 0)
  assert.equal(desk.ibt('list', '--temporary', '--store', 'store').status, 2)
  desk.env.IBT_STORE = desk.at('elsewhere')
  assert.equal(desk.ibt('verify', 'src', '--temporary').status, 0)
})

test('a list of no names is refused unless that is allowed', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/a'), 'a')
  for (const content of ['', '\n\n']) {
    writeFileSync(desk.at('names'), content)
    const { status, stderr } = desk.ibt('full', 'src', '--files-from', 'names')
    assert.equal(status, 2)
    assert.match(stderr, /names names no files: --allow-empty-files-from/)
  }
  assert.equal(existsSync(desk.at('store')), false)
  const { status, stdout } = desk.ibt('full', 'src', '--files-from', 'names', '--allow-empty-files-from')
  assert.equal(status, 0)
  assert.match(stdout, /1 entry: 0 files/)
  writeFileSync(desk.at('names'), `${desk.at('src/a')}\n`)
  assert.match(desk.ibt('full', 'src', '--files-from', 'names').stdout, /2 entries: 1 file/)
})

test('an exclusion of an absolute path or of ./ is understood, one that would leave out nothing is refused', t => {
  const desk = new Desk(t)
  for (const name of ['one', 'two', 'three', 'four', 'sub/one', 'sub/two']) {
    mkdirSync(desk.at('src', name), { recursive: true })
    writeFileSync(desk.at('src', name, 'file'), 'x')
  }
  mkdirSync(desk.at('other/directory'), { recursive: true })
  const spelled = [desk.at('src/one'), './two', 'three/.', './/four', '/sub/./two']
  assert.equal(desk.ibt('full', 'src', ...spelled.flatMap(pattern => ['--exclude', pattern])).status, 0)
  const paths = desk.ibt('ls', 'src', '--json').stdout.trim().split('\n')
  assert.deepEqual(
    paths.map(line => JSON.parse(line).path),
    ['.', 'sub', 'sub/one', 'sub/one/file']
  )
  for (const pattern of [desk.at('other/directory'), desk.at('src'), '.', '../other', '~/x']) {
    const { status, stderr } = desk.ibt('full', 'src', '--exclude', pattern)
    assert.equal(status, 2, pattern)
    assert.match(stderr, /source|~/)
  }
})

test('every line of --json is JSON, with names that are not UTF-8', oracle('jq'), () => {
  const desk = makeDesk()
  writeFileSync(Buffer.from(`${desk.path}/src/caf\xe9`, 'latin1'), 'x')
  const full = ibt(desk, 'full', 'src', '--json')
  const ls = ibt(desk, 'ls', 'src', '--json')
  const jq = spawnSync('jq', ['-r', '.pathBase64 // .event // .path'], {
    input: full.stdout + ls.stdout,
    encoding: 'utf8'
  })
  assert.equal(jq.status, 0, jq.stderr)
  assert.ok(jq.stdout.split('\n').includes('report'))
  assert.ok(jq.stdout.split('\n').includes(Buffer.from('caf\xe9', 'latin1').toString('base64')))
})

test('without a terminal nothing but text is printed', () => {
  const desk = makeDesk()
  const { stdout, stderr } = ibt(desk, 'full', 'src')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f]/)
})

test('help tells every command and its options', () => {
  const desk = makeDesk()
  const { status, stdout } = ibt(desk, '--help')
  assert.equal(status, 0)
  for (const command of [
    'full',
    'incremental',
    'backup',
    'restore',
    'list',
    'ls',
    'diff',
    'verify',
    'signature',
    'delta',
    'patch',
    'compose'
  ]) {
    assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'))
    assert.equal(ibt(desk, command, '--help').status, 0)
  }
})

test('an interrupt in the middle of a full leaves nothing behind and ends with 130', async () => {
  const desk = makeDesk()
  for (let i = 0; i < 40; i++) writeFileSync(join(desk.path, 'src', `large ${i}`), randomBytes(4 << 20))
  // It takes some seconds at least: no interrupt comes too late.
  const slow = ['--compress', 'zstd:15', '--limit-rate', '20M']
  const child = spawn(process.execPath, [BIN, 'full', 'src', '--json', ...slow], { cwd: desk.path, env: desk.env })
  await firstOutput(child)
  child.kill('SIGINT')
  const code = await new Promise(resolve => child.on('exit', resolve))
  assert.equal(code, 130)
  assert.deepEqual(readdirSync(join(desk.path, 'store')), [])
})

function firstOutput(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout!.once('data', () => resolve())
    child.once('exit', code => reject(new Error(`It ended with ${code} before it said anything`)))
  })
}

test('signature, delta, patch and compose go both ways with rdiff, through pipes, too', oracle('rdiff'), () => {
  const { path, env } = makeDesk()
  const old = randomBytes(300_000)
  writeFileSync(join(path, 'old'), old)
  writeFileSync(
    join(path, 'new'),
    Buffer.concat([old.subarray(0, 100_000), Buffer.from('insertion'), old.subarray(100_000)])
  )
  const script = `
    ibt() { '${process.execPath}' '${BIN}' "$@"; }
    ibt signature old sig; rdiff signature old sig.rdiff; cmp sig sig.rdiff
    ibt signature --block-len 1000 --strong-len 12 --strong md4 --weak rollsum old sig2
    rdiff -b 1000 -S 12 -H md4 -R rollsum signature old sig2.rdiff; cmp sig2 sig2.rdiff
    ibt signature - - < old | ibt delta - new - > delta; rdiff patch old delta out1; cmp out1 new
    rdiff delta sig new delta.rdiff; ibt patch old delta.rdiff out2; cmp out2 new
    ibt patch old - out3 < delta; cmp out3 new
    cat new old > newer; ibt signature new sig.new; ibt delta sig.new newer delta.new
    ibt compose delta delta.new both; rdiff patch old both out4; cmp out4 newer
    ibt compose delta delta.new - | cmp - both`
  const { status, stderr } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
    cwd: path,
    env,
    encoding: 'utf8'
  })
  assert.equal(status, 0, stderr)
})

test('an output that exists is refused, and damaged input leaves none', () => {
  const desk = makeDesk()
  const { path } = desk
  writeFileSync(join(path, 'taken'), 'mine')
  assert.equal(ibt(desk, 'signature', 'src/a.txt', 'taken').status, 2)
  assert.equal(readFileSync(join(path, 'taken'), 'utf8'), 'mine')
  assert.equal(ibt(desk, 'signature', 'src/a.txt', 'taken', '--force').status, 0)
  writeFileSync(join(path, 'cut'), readFileSync(join(path, 'taken')).subarray(0, 20))
  assert.equal(ibt(desk, 'delta', 'cut', 'src/a.txt', 'delta').status, 4)
  const { status, stderr } = ibt(desk, 'compose', 'cut', 'both')
  assert.equal(status, 4)
  assert.match(stderr, /cut/)
  assert.equal(ibt(desk, 'compose', '-', 'both').status, 2)
  assert.equal(ibt(desk, 'compose', 'both').status, 2)
  assert.deepEqual(readdirSync(path).sort(), ['cut', 'src', 'taken'])
})

test('a closed pipe is no failure', () => {
  const { path, env } = makeDesk()
  for (let i = 0; i < 3000; i++) writeFileSync(join(path, 'src', `file ${i}`), '')
  const script = `ibt() { '${process.execPath}' '${BIN}' "$@"; }; ibt full src --quiet; ibt ls src | head -1; exit "\${PIPESTATUS[0]}"`
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: path, env, encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''], stdout)
})
