import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import {
  type BackupReport,
  createSelection,
  fullBackup,
  incrementalBackup,
  listEntries,
  restoreBackup
} from '../../../src/index.js'
import { comparePaths, decodePath, encodePath, isBelow, printPath, ROOT_PATH } from '../../../src/path.js'
import { NaiveChain } from '../../helpers/chain.js'
import { collect } from '../../helpers/entries.js'
import { assertSameTree, assertTarsExtract, run, shell } from '../../helpers/judges.js'
import { oracle } from '../../helpers/oracle.js'
import { Tree } from '../../helpers/tree.js'
import { temporaryDirectory } from '../../native/tree.js'

const latin1 = (text: string) => Buffer.from(text, 'latin1')
const words = (text: string) => text.split(' ').map(word => Buffer.from(word))

/** Names that something on the way could take for something else. */
const NAMES: readonly Buffer[] = [
  ...words('a A a.b a-b a! a0 ab B \u00e9 e\u0301 \u00c9 \ufffd \uffff \u{10000} \u{1f600} \ufeff \u202ex \u00a0'),
  ...words('__proto__ constructor hasOwnProperty toString valueOf prototype null undefined true 0 1e3'),
  ...words(
    '- -- -rf --help @list ~ #x !x %41 \\x41 \\n \\ \\\\ $HOME $(x) `x` ; | & * ? [a] {a,b} "q" \' ... .hidden ='
  ),
  ...words('./%2f : con nul.txt x.state.y.tar.zst .ibt-x ,').filter(name => !name.includes('/')),
  ...[
    ' ',
    '  ',
    ' leading',
    'trailing ',
    'in side',
    '\n',
    'new\nline',
    '\n\n',
    'tab\t',
    '\r',
    'cr\r\n',
    '\x01\x1b[31m',
    '\x7f'
  ].map(name => Buffer.from(name)),
  // No UTF-8: single bytes, a cut sequence, an overlong one, a surrogate, what is beyond Unicode.
  ...[
    '\xff',
    '\x80',
    '\xfe\xff',
    'a\xe9',
    '\xc3',
    '\xe2\x82',
    '\xc0\xaf',
    '\xed\xa0\x80',
    '\xed\xb2\x80',
    '\xf4\x90\x80\x80'
  ].map(latin1),
  Buffer.concat([Buffer.from('\u{1f600}'), latin1('\xf0\x9f')]),
  ...[Buffer.alloc(255, 'n'), Buffer.alloc(254, 'n'), Buffer.alloc(255, 0xff), Buffer.from('\u00fc'.repeat(127))],
  ...[99, 100, 101].flatMap(length => [Buffer.alloc(length, 'l'), Buffer.alloc(length, 0xfe)])
]

/** Every name as a file, as a directory, and as a link and what it leads to. */
function makeTree(tree: Tree): void {
  const at = (...parts: (string | Buffer)[]) => Buffer.concat(parts.map(part => Buffer.from(part as string)))
  for (const place of ['files', 'directories', 'links', 'hard']) tree.directory(place)
  for (const [i, name] of NAMES.entries()) {
    tree.file(at('files/', name), `file ${i}`)
    tree.directory(at('directories/', name))
    tree.file(at('directories/', name, '/', name), 20_000)
    tree.symlink(at('links/', name), name)
    tree.link(at('hard/', name), at('files/', name))
  }
}

/** Paths below a root as find has them, as binary strings. */
function pathsOf(root: string): string[] {
  const found = run('find', [root, '-mindepth', '1', '-printf', '%P\\0'])
  return found.toString('latin1').split('\0').slice(0, -1).sort()
}

/** `/` below every other byte: no name holds a NUL. */
const sortKey = (path: string) => encodePath(path).toString('latin1').replaceAll('/', '\0')

function assertInOrder(paths: readonly string[]): void {
  for (const [i, path] of paths.entries()) {
    if (i > 0 && path !== ROOT_PATH) assert.ok(sortKey(paths[i - 1]!) < sortKey(path) || i === 1, printPath(path))
    if (i > 1) assert.ok(comparePaths(paths[i - 1]!, path) < 0, printPath(path))
  }
}

const TOOLS = oracle('rsync', 'tar', 'bsdtar', 'zstd', 'jq', 'find')

/** A full of all names, and an increment in which each content and each directory has changed. */
async function makeChain(t: TestContext): Promise<NaiveChain> {
  const chain = new NaiveChain(temporaryDirectory(t))
  const tree = new Tree(chain.source, 1)
  makeTree(tree)
  await chain.full()
  for (const name of NAMES) {
    const directory = Buffer.concat([Buffer.from('directories/'), name, Buffer.from('/')])
    tree.splice(Buffer.concat([directory, name]), 9_000, 5, 5)
    tree.file(Buffer.concat([directory, Buffer.from('added')]))
    tree.remove(Buffer.concat([Buffer.from('links/'), name]))
    tree.file(Buffer.concat([Buffer.from('links/'), name]))
  }
  await chain.incremental()
  return chain
}

test('names of any bytes come back, in archives that tars read and states that jq reads', TOOLS, async t => {
  const chain = await makeChain(t)
  for (const { date, totals } of chain.reports) {
    assert.equal(totals.unreadable + totals.dirty, 0)
    await chain.assertRestores(date)
    const entries = await collect(listEntries('key', { store: chain.storePath, cache: false, at: date }))
    const paths = entries.map(({ path }) => path)
    assertInOrder(paths)
    const found = paths.filter(path => path !== ROOT_PATH).map(path => encodePath(path).toString('latin1'))
    assert.deepEqual(found.sort(), pathsOf(chain.copy(date)))
  }
  const { totals } = chain.reports[1]!
  assert.deepEqual([totals.updated, totals.created], [NAMES.length, 2 * NAMES.length])
  for (const kind of ['full', 'created', 'updated', 'sigvault']) {
    for (const name of chain.stored(kind)) assertTarsExtract(join(chain.storePath, name), chain.base)
  }
  for (const { date } of chain.reports) {
    const jq = `zstd -dcq "$1" | jq -r '.entries[] | .pathBase64 // (.path | @base64)'`
    const lines = shell(jq, chain.artifact('state', date)).toString().trim().split('\n')
    const paths = lines.map(line => Buffer.from(line, 'base64').toString('latin1'))
    assert.deepEqual(paths.filter(path => path !== ROOT_PATH).sort(), pathsOf(chain.copy(date)))
  }
})

test('each name selects itself with all below, as a path and as reports print it', TOOLS, async t => {
  const chain = await makeChain(t)
  const entries = await collect(listEntries('key', { store: chain.storePath, cache: false }))
  const printed: string[] = []
  for (const name of NAMES) {
    const path = `directories/${decodePath(name)}`
    // Quoted, a path is no pattern.
    const spelled = printPath(path)
    printed.push(spelled.startsWith('"') ? spelled : path.replace(/[*?[]/g, '\\$&'))
    for (const spelling of /[\\*?[]/.test(path) ? printed.slice(-1) : [path, printed.at(-1)!]) {
      const selection = createSelection([spelling])
      const found = entries.filter(({ path, type }) => selection.selects(path, type))
      const wanted = entries.filter(entry => entry.path === path || isBelow(entry.path, path))
      assert.equal(wanted.length, 3)
      assert.deepEqual(found, wanted, spelling)
    }
  }
  await chain.restore('out', { paths: printed })
  assertSameTree(join(chain.base, 'out/directories'), join(chain.source, 'directories'))
})

/** In one directory after another: no system call takes such a path whole. */
const DEEP = `
  cd "$1"
  name=$(printf 'x%.0s' {1..255})
  for i in {1..15}; do mkdir "$name"; cd -P "$name"; done
  last=$(printf 'y%.0s' {1..251})
  mkdir "$last" z; echo long > "$last/12"; echo longer > "$last/1234"; echo longest > "$last/12345678"
  ln -s 1234 "$last/link"; ln "$last/1234" z/hard`
const LIST = `find "$1" -printf '%P %y %s %m %n %T@ %l\\n' | sort; find "$1" -type f -execdir cat {} \\; | sort`

test('paths of 4,096 bytes and of 1,000 levels come back', TOOLS, async t => {
  const { source, base, options } = new NaiveChain(temporaryDirectory(t))
  const levels = join(source, ...Array<string>(1000).fill('d'))
  mkdirSync(levels, { recursive: true })
  writeFileSync(join(levels, 'f'), 'deep')
  shell(DEEP, source)
  const longest = Math.max(...pathsOf(source).map(path => path.length))
  assert.ok(longest >= 4096, String(longest))
  const lists = new Map<string, string>()
  const keep = ({ date, totals }: BackupReport) => {
    assert.equal(totals.unreadable, 0)
    lists.set(date, shell(LIST, source).toString())
  }
  keep(await fullBackup(source, options))
  writeFileSync(join(levels, 'f'), 'deeper')
  writeFileSync(join(source, 'd/g'), 'new')
  keep(await incrementalBackup(source, options))
  shell('rm -r "$1"/x*/x* "$1"/d/d', source)
  keep(await incrementalBackup(source, { ...options, allowShrink: true }))
  for (const [at, wanted] of lists) {
    const { skippedEntries } = await restoreBackup('key', join(base, at), { ...options, at })
    assert.equal(skippedEntries, 0)
    assert.equal(shell(LIST, join(base, at)).toString(), wanted)
  }
  shell('rm -r "$1"/*/x*', base)
})

test('an ignore file may hold names of any bytes', TOOLS, async t => {
  const chain = new NaiveChain(temporaryDirectory(t))
  mkdirSync(join(chain.source, 'd'))
  const excluded = NAMES.filter(name => !/[\n\r]/.test(name.toString('latin1')) && name.length < 255)
  const quoted = excluded.map(
    name =>
      `/d/${name
        .toString('latin1')
        .replace(/[\\*?[\]]/g, '\\$&')
        .replace(/ +$/, spaces => '\\ '.repeat(spaces.length))}`
  )
  for (const name of excluded) writeFileSync(Buffer.concat([Buffer.from(`${chain.source}/d/`), name]), '')
  writeFileSync(join(chain.source, 'd/z z'), 'kept')
  writeFileSync(join(chain.source, '.exclude'), latin1(`${quoted.join('\n')}\n`))
  await chain.full()
  await chain.restore('out')
  assert.deepEqual(readdirSync(join(chain.base, 'out/d')), ['z z'])
})
