import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { printPath } from '../../src/path.js'
import { BIN, Desk } from '../helpers/desk.js'
import { run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom } from '../helpers/random.js'
import { ODD_NAMES, Tree } from '../helpers/tree.js'

/** Two backups of a tree. */
function makeDesk(t: TestContext): { desk: Desk; dates: string[] } {
  const desk = new Desk(t)
  mkdirSync(desk.at('src/d'), { recursive: true })
  writeFileSync(desk.at('src/a.txt'), 'one')
  writeFileSync(desk.at('src/d/b.bin'), createRandom(1).bytes(100_000))
  for (const path of ['src/a.txt', 'src/d/b.bin']) utimesSync(desk.at(path), 1_700_000_000, 1_700_000_000)
  desk.ibt('full', 'src')
  writeFileSync(desk.at('src/a.txt'), 'one two')
  rmSync(desk.at('src/d/b.bin'))
  writeFileSync(desk.at('src/d/c'), 'new')
  const { status, stderr } = desk.ibt('incremental', 'src')
  assert.equal(status, 0, stderr)
  const lines = desk.ibt('list', 'src', '--json').stdout.trim().split('\n')
  return { desk, dates: lines.map(line => JSON.parse(line).date) }
}

/** Runs with --json, and lets jq read it. */
function json(desk: Desk, ...args: string[]): Record<string, unknown>[] {
  const { stdout, stderr } = desk.ibt(...args, '--json')
  assert.equal(stderr, '')
  return JSON.parse(String(run('jq', ['-cs', '.'], Buffer.from(stdout))))
}

test('ls shows paths, with --long what tar -tv shows, and selects by patterns', oracle('jq', 'tar', 'zstd'), t => {
  const { desk, dates } = makeDesk(t)
  assert.equal(desk.ibt('ls', 'src').stdout, '.\na.txt\nd\nd/c\n')
  assert.equal(desk.ibt('ls', 'src', 'd').stdout, 'd\nd/c\n')
  assert.equal(desk.ibt('ls', 'src', '/d/*', '*.txt').stdout, 'a.txt\nd/c\n')
  const nothing = desk.ibt('ls', 'src', 'nosuch')
  assert.deepEqual([nothing.status, nothing.stdout], [1, ''])
  const tar = String(
    run('bash', [
      '-c',
      'zstd -dc store/src.full.*.zst | TZ=UTC tar --full-time -tvf -'.replace('store', `'${desk.at('store')}'`)
    ])
  )
  const judged = tar
    .trim()
    .split('\n')
    .map(line => line.split(/ +/))
  const long = desk.ibt('ls', 'src', '--long', '--at', dates[0]!).stdout.trim().split('\n')
  assert.equal(long.length, judged.length)
  for (const [i, line] of long.entries()) {
    const [mode, owner, size, day, time, path] = judged[i]!
    const [ourMode, ourOwner, group, ourSize, ourDay, ourTime, ourPath] = line.split(/ +/)
    assert.deepEqual(
      [ourMode, `${ourOwner}/${group}`, ourSize === '-' ? '0' : ourSize, ourDay, ourTime, ourPath],
      [mode, owner, size, day, time!.slice(0, 8), path!.replace(/^\.\/(?=.)|(?<=[^.])\/$/g, '').replace('./', '.')]
    )
  }
  assert.deepEqual(
    json(desk, 'ls', 'src', '*.txt').map(({ path, sizeBytes }) => [path, sizeBytes]),
    [['a.txt', 7]]
  )
})

test('find and history say when a path came, changed and went', oracle('jq'), t => {
  const { desk, dates } = makeDesk(t)
  const [first, second] = dates
  assert.deepEqual(
    json(desk, 'find', '*.*').map(({ path, first, last, isCurrent }) => [path, first, last, isCurrent]),
    [
      ['a.txt', first, first, false],
      ['a.txt', second, second, true],
      ['d/b.bin', first, first, false]
    ]
  )
  assert.match(
    desk.ibt('find', 'a.txt', '--key', 'src').stdout,
    new RegExp(`^src +${first} .* 3  a.txt\nsrc +${second} .* 7  a.txt\n$`)
  )
  assert.equal(desk.ibt('find', 'nosuch').status, 1)
  assert.deepEqual(
    json(desk, 'history', 'src', 'd/b.bin').map(({ date, change, heldIn }) => [date, change, heldIn]),
    [
      [first, 'created', [{ date: first, kind: 'full' }]],
      [second, 'deleted', [{ date: first, kind: 'full' }]]
    ]
  )
  assert.match(desk.ibt('history', 'src', 'a.txt').stdout, /^\S+ {2}\+ .* in full \S+\n\S+ {2}M .* in created \S+\n$/)
  const nothing = desk.ibt('history', 'src', 'nosuch')
  assert.equal(nothing.status, 1)
  assert.match(nothing.stderr, /No backup of src has nosuch/)
})

test('diff takes two dates, and shows sizes', oracle('jq'), t => {
  const { desk, dates } = makeDesk(t)
  const lines = 'm ./\nM a.txt\nm d/\n- d/b.bin\n+ d/c\n'
  const short = desk.ibt('diff', 'src', ...dates).stdout
  assert.equal(short, short.startsWith('m ./') ? lines : lines.slice(5))
  assert.match(
    desk.ibt('diff', 'src', '--long').stdout,
    /^M +3 -> +7 {2}a\.txt$[\s\S]*^- +100000 -> +- {2}d\/b\.bin$[\s\S]*^\+ +- -> +3 {2}d\/c$/m
  )
  const changed = json(desk, 'diff', 'src', '--from', dates[0]!).find(({ path }) => path === 'a.txt')
  assert.deepEqual(changed, { change: 'updated', path: 'a.txt', type: 'file', sizeBytes: 7, previousSizeBytes: 3 })
  for (const args of [[dates[0]!], [...dates, 'latest'], [...dates, '--to', 'latest']]) {
    assert.equal(desk.ibt('diff', 'src', ...args).status, 2, args.join(' '))
  }
})

test('du adds up directories', oracle('jq'), t => {
  const { desk, dates } = makeDesk(t)
  assert.deepEqual(
    json(desk, 'du', 'src', '--at', dates[0]!).map(({ path, sizeBytes, newBytes }) => [path, sizeBytes, newBytes]),
    [
      ['d', 100_000, 100_000],
      ['.', 100_003, 100_003]
    ]
  )
  assert.match(desk.ibt('du', 'src', 'd').stdout, /^ +3 B +3 B new +1 file {2}d\n$/)
  assert.equal(desk.ibt('du', 'src', '--depth', 'x').status, 2)
  assert.equal(desk.ibt('du', 'src', 'nosuch').status, 1)
})

test('compare ends with 0 if nothing differs, and with 6 if something does', oracle('jq'), t => {
  const { desk } = makeDesk(t)
  const equal = desk.ibt('compare', 'src', 'src')
  assert.deepEqual([equal.status, equal.stderr], [0, ''])
  writeFileSync(desk.at('src/a.txt'), 'something else')
  const differs = desk.ibt('compare', 'src', 'src')
  assert.equal(differs.status, 6)
  assert.match(differs.stdout, /^M a\.txt$/m)
  assert.match(desk.ibt('compare', 'src', 'src', '--long').stdout, /^M +7 -> +14 {2}a\.txt$/m)
  const found = json(desk, 'compare', 'src', 'src')
  assert.deepEqual(found[0], { change: 'updated', path: 'a.txt', type: 'file', sizeBytes: 14, previousSizeBytes: 7 })
  const { event, exitCode, differences } = found.at(-1)!
  assert.deepEqual([event, exitCode, differences], ['report', 6, 1])
  assert.equal(desk.ibt('compare', 'src', 'src', '--exclude', 'a.txt').status, 6, 'it is in the backup')
  assert.equal(desk.ibt('compare', 'src', 'nosuch').status, 1)
})

test('cat writes the bytes of a file and nothing else', t => {
  const { desk, dates } = makeDesk(t)
  const cat = (...args: string[]) =>
    spawnSync(process.execPath, [BIN, 'cat', ...args], { cwd: desk.path, env: desk.env })
  assert.equal(String(cat('src', 'a.txt').stdout), 'one two')
  assert.equal(String(cat('src', 'a.txt', '--at', dates[0]!).stdout), 'one')
  assert.deepEqual(cat('src', 'd/b.bin', '--at', dates[0]!).stdout, createRandom(1).bytes(100_000))
  const report = cat('src', 'a.txt', '--json')
  assert.equal(String(report.stdout), 'one two')
  const { event, path, sizeBytes } = JSON.parse(String(report.stderr))
  assert.deepEqual([event, path, sizeBytes], ['report', 'a.txt', 7])
  for (const path of ['d', 'nosuch', 'd/b.bin']) {
    const failed = cat('src', path, '--json')
    assert.deepEqual([failed.status, failed.stdout.length], [1, 0])
    assert.equal(JSON.parse(String(failed.stderr)).event, 'failed')
  }
})

test('a reader that closes early, or a full disk, does not make a whole file of it', t => {
  const { desk } = makeDesk(t)
  writeFileSync(desk.at('src/large'), createRandom(2).bytes(12_000_000))
  desk.ibt('incremental', 'src')
  const script = `'${process.execPath}' '${BIN}' cat src large | head -c 10 >/dev/null; exit "\${PIPESTATUS[0]}"`
  const { status, stderr } = spawnSync('bash', ['-c', script], { cwd: desk.path, env: desk.env, encoding: 'utf8' })
  assert.equal(status, 1, stderr)
  assert.match(stderr, /Cannot write to stdout/)
  const full = spawnSync('bash', ['-c', `'${process.execPath}' '${BIN}' cat src large >/dev/full`], {
    cwd: desk.path,
    env: desk.env
  })
  assert.equal(full.status, 1)
})

test('a damaged content writes no byte if it is small, and ends with 4', t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/a.txt'), 'something to be damaged')
  desk.ibt('full', 'src', '--compress', 'none')
  const [name] = String(run('ls', [desk.at('store')])).match(/src\.full\.\S+/)!
  const archive = desk.at('store', name!)
  const bytes = readFileSync(archive)
  bytes[bytes.indexOf('something')] = 0
  writeFileSync(archive, bytes)
  const { status, stdout } = desk.ibt('cat', 'src', 'a.txt')
  assert.deepEqual([status, stdout], [4, ''])
})

test('names of any bytes can be typed as ls shows them', oracle('jq'), t => {
  const desk = new Desk(t)
  mkdirSync(desk.at('src'))
  const tree = new Tree(desk.at('src'), 1)
  const names = ODD_NAMES.filter(name => !String(name).startsWith('-') && !String(name).includes('*')).slice(0, 12)
  for (const name of [...names, Buffer.from([0x66, 0xff])]) tree.file(name, Buffer.from(name as string))
  desk.ibt('full', 'src')
  const shown = desk.ibt('ls', 'src').stdout.trimEnd().split('\n').slice(1)
  assert.equal(shown.length, names.length + 1)
  for (const typed of shown) {
    const { stdout } = spawnSync(process.execPath, [BIN, 'cat', 'src', typed], { cwd: desk.path, env: desk.env })
    const [entry] = json(desk, 'ls', 'src', typed)
    const { path, pathBase64 } = entry as { path: string; pathBase64?: string }
    assert.deepEqual(
      stdout,
      pathBase64 === undefined ? Buffer.from(path) : Buffer.from(pathBase64, 'base64'),
      printPath(typed)
    )
  }
  assert.equal(json(desk, 'history', 'src', '"f\\xff"').length, 1)
  assert.equal(json(desk, 'find', '"f\\xff"').length, 1)
})
