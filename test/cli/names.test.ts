import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, lchownSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { RACY_MS } from '../../src/constants.js'
import { BIN, Desk, type Ended } from '../helpers/desk.js'
import { assertSameTree, copyTree, run } from '../helpers/judges.js'
import { oracle, reachedByNobody } from '../helpers/oracle.js'
import { ODD_NAMES, Tree } from '../helpers/tree.js'

const NAMES: readonly Buffer[] = [
  ...ODD_NAMES,
  '__proto__',
  'constructor',
  '\x1b[2J',
  '\u202e',
  '\r',
  '\\x41',
  '%41'
].map(name => Buffer.from(name as string))

function makeDesk(t: TestContext): { readonly desk: Desk; readonly tree: Tree } {
  const desk = new Desk(t)
  const tree = new Tree(desk.at('src'), 1)
  tree.directory('d')
  for (const name of NAMES) tree.file(Buffer.concat([Buffer.from('d/'), name]), 50)
  return { desk, tree }
}

/** Lines of JSON: UTF-8, without what no string can hold, and each one that jq reads. */
function jsonLines(desk: Desk, ...args: string[]): Record<string, string>[] {
  const { stdout } = spawnSync(process.execPath, [BIN, ...args, '--json'], { cwd: desk.path, env: desk.env })
  const text = new TextDecoder('utf-8', { fatal: true }).decode(stdout)
  assert.doesNotMatch(text, /\\ud[89a-f]/i)
  run('jq', ['-es', '.'], stdout)
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
}

const bytesOf = ({ path, pathBase64 }: Record<string, string>) =>
  pathBase64 === undefined ? Buffer.from(path!) : Buffer.from(pathBase64, 'base64')

const inOrder = (names: readonly Buffer[]) => names.map(name => name.toString('latin1')).sort()

test('names of any bytes are whole in --json, and printed so that they select themselves', oracle('jq', 'rsync'), t => {
  const { desk, tree } = makeDesk(t)
  jsonLines(desk, 'full', 'src')
  for (const name of NAMES) tree.splice(Buffer.concat([Buffer.from('d/'), name]), 0, 1, 1)
  jsonLines(desk, 'incremental', 'src')
  const all = inOrder(NAMES.map(name => Buffer.concat([Buffer.from('d/'), name])))
  for (const command of ['ls', 'diff']) {
    const paths = jsonLines(desk, command, 'src').map(bytesOf)
    assert.deepEqual(
      inOrder(paths).filter(path => path.startsWith('d/')),
      all
    )
  }
  const { stdout } = desk.ibt('ls', 'src')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  assert.doesNotMatch(stdout, /[\x00-\x09\x0b-\x1f\x7f\u202e]/)
  const lines = stdout.trimEnd().split('\n')
  const printed = lines.filter(path => /^"?d\//.test(path))
  assert.equal(printed.length, NAMES.length)
  const paths = printed.flatMap(path => ['--path', path === 'd/*' ? 'd/\\*' : path])
  assert.equal(desk.ibt('restore', 'src', 'out', ...paths).status, 0)
  assertSameTree(desk.at('out/d'), desk.at('src/d'))
})

test('errors name files of any bytes so that no terminal acts on them', {
  ...oracle('jq'),
  ...reachedByNobody()
}, t => {
  const { desk, tree } = makeDesk(t)
  for (const name of NAMES) chmodSync(tree.at(Buffer.concat([Buffer.from('d/'), name])), 0)
  const user = process.geteuid?.() === 0 ? 65534 : undefined
  // Root may read everything.
  if (user !== undefined) for (const path of ['', 'src']) lchownSync(desk.at(path), user, user)
  const asNobody = (...args: string[]) =>
    spawnSync(process.execPath, [BIN, ...args], {
      ...{ cwd: desk.path, env: desk.env },
      ...(user !== undefined && { uid: user, gid: user })
    })
  const { status, stderr } = asNobody('full', 'src')
  assert.equal(status, 3)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
  assert.doesNotMatch(stderr.toString('latin1'), /[\x00-\x09\x0b-\x1f\x7f]|\xe2\x80\xae/)
  const lines = asNobody('full', 'src', '--json').stdout
  run('jq', ['-es', '.'], lines)
  const errors = lines
    .toString()
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
    .filter(({ event }) => event === 'error')
  assert.deepEqual(
    inOrder(errors.map(({ error }) => bytesOf(error))),
    inOrder(NAMES.map(name => Buffer.concat([Buffer.from('d/'), name])))
  )
})

test('--files-from takes what find prints, and says what is not there', oracle('find', 'rsync'), t => {
  const { desk, tree } = makeDesk(t)
  tree.directory('e/f')
  tree.file('e/f/x')
  tree.file('e/left')
  const from = (names: Buffer | string, ...args: string[]): Ended =>
    spawnSync(process.execPath, [BIN, 'full', 'src', '--files-from', '-', ...args], {
      ...{ cwd: desk.path, env: desk.env, encoding: 'utf8' },
      input: names
    })
  const found = run('bash', ['-c', 'cd "$1" && find . -path ./e -prune -o -type f -print0', 'bash', desk.at('src')])
  assert.equal(from(found, '-0').status, 0)
  desk.ibt('restore', 'src', 'zero')
  assertSameTree(desk.at('zero/d'), desk.at('src/d'))
  assert.deepEqual(readdirSync(desk.at('zero')), ['d'])

  const names = 'e/f\n./no such\n\nd/"quoted"\nd/*'
  assert.match(from(names, '--null').stderr, /"e\/f\\n.*" was named/, 'a line feed may be a part of a name')
  const lines = from(names)
  assert.equal(lines.status, 3)
  assert.match(lines.stderr, /no such was named but does not exist/)
  assert.match(lines.stdout, /1 named but missing/)
  desk.ibt('restore', 'src', 'lines')
  assert.deepEqual(readdirSync(desk.at('lines'), { recursive: true }).sort(), [
    'd',
    'd/"quoted"',
    'd/*',
    'e',
    'e/f',
    'e/f/x'
  ])

  writeFileSync(desk.at('names'), 'e/left')
  assert.equal(desk.ibt('full', 'src', '--files-from', 'names').status, 0)
  for (const args of [['--files-from', 'no such'], ['--null']]) assert.equal(desk.ibt('full', 'src', ...args).status, 2)
  for (const name of ['/etc/passwd', '../x', 'a/../../x']) assert.equal(from(name).status, 2, name)
})

test('a source that is all but empty ends with 5, unless it is said to have shrunk', t => {
  const { desk } = makeDesk(t)
  assert.equal(desk.ibt('full', 'src').status, 0)
  renameSync(desk.at('src'), desk.at('unmounted'))
  mkdirSync(desk.at('src'))
  for (const command of ['full', 'incremental', 'backup']) {
    const { status, stderr } = desk.ibt(command, 'src')
    assert.equal(status, 5)
    assert.match(stderr, /has none of the \d+ entries of its last backup.*\n.*ibt help IBT_SOURCE_SHRUNK/)
  }
  assert.equal(desk.ibt('backup', 'src', '--allow-shrink').status, 0)
})

test('a copied source is said once, and --compare chooses what counts', oracle('cp'), async t => {
  const { desk } = makeDesk(t)
  await setTimeout(RACY_MS + 100)
  desk.ibt('full', 'src')
  const copy = () => {
    copyTree(desk.at('src'), desk.at('copy'))
    rmSync(desk.at('src'), { recursive: true })
    renameSync(desk.at('copy'), desk.at('src'))
  }
  copy()
  const { status, stderr } = desk.ibt('backup', 'src', '--compare', 'size,mtime')
  assert.deepEqual([status, stderr], [0, ''])
  copy()
  const told = desk.ibt('backup', 'src').stderr.trimEnd().split('\n')
  assert.equal(told.length, 1)
  assert.match(told[0]!, new RegExp(`^ibt: ${NAMES.length} files read but unchanged: only ctime or inode differed`))
  assert.equal(desk.ibt('backup', 'src', '--compare', 'size,colour').status, 2)
})
