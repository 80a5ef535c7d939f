import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { decodePath, parentPath, ROOT_PATH } from '../../src/path.js'
import { createRules, type RulesOptions } from '../../src/rules.js'
import { walk } from '../../src/stages/walk.js'
import { oracle } from '../helpers/oracle.js'

const TREES = process.env.SLOW === '1' ? 4000 : 100
/** Trees that one process of git judges. */
const FOREST = 20
const SEED = Number(process.env.SEED ?? 20261123)

/** Everything here is a string of bytes: one character a byte, as git sees names and patterns. */
const words = (...lines: string[]) => lines.flatMap(line => line.split(' '))
const NAMES = [...words('a b A ab axb a.o b.o foo foo.txt #c !d a\\b a* [ab]'), 'x y', 'x ']
const ODD_NAMES = words('\xc3\xa9 \xe9 caf\xe9 n\nl cr\r - ] ^ {a,b} a+ .hid ~ \x01')
const KNOWN = [
  ...words('a b/ *.o !a.o /a a/b **/foo foo/** a/**/b !foo * !*/ !*.txt ? ?? .* a* /* /*/ *a*b* *\\*'),
  ...words('[ab] [!a]* [^a] []] [a-c] [c-a] [[:alpha:]] [a [\\]] [[:nope:]] {a,b} a+ ^ ~ \\#c \\!d #c'),
  ...words('/ // ! \\ a\\ a\\/ \\/a a\\\\b a//b a/./b /*/a */b */*/b /foo/* !/foo/a ** **/ /** ***/b a/***'),
  ...words('a** a**/b b/a** a**/ a**/**/b a***/** a/a**/b cr\r cr\r\r cr? a\0b'),
  ...words('\xc3* ?\xa9 [\xe0-\xff] caf\xe9 \xc3\xa9/ \xef\xbb\xbfa'),
  ...['', '# comment', 'x\\ ', 'x\\ y', 'x ', 'foo  ']
]
const PARTS = [...words('a b foo x .o * ** *** ? / / / [ab] [!a] \\ ! # \xe9 -'), ' ']

/** Not as git has it, and documented. */
const GLOBSTAR_BESIDE_QUOTED_SLASH = /\*\*\\\/|\\\/\*\*/

type Random = (below: number) => number

/** A small generator with a fixed seed (mulberry32). */
function randomOf(seed: number): Random {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

/** In memory where that can be had: to make the trees is what takes the time. */
const directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ibt-rules-'))
const repository = join(directory, 'git')
after(() => rmSync(directory, { recursive: true, force: true }))

const bytes = (text: string) => Buffer.from(text, 'latin1')
const bytePath = (...parts: string[]) => Buffer.concat([bytes(`${directory}/`), bytes(parts.join('/'))])

function makePattern(random: Random): string {
  const pick = (list: readonly string[]) => list[random(list.length)]!
  if (random(3) > 0) return `${random(6) === 0 ? '!' : ''}${pick(KNOWN)}`
  const made = Array.from({ length: 1 + random(6) }, () => pick(PARTS)).join('')
  return GLOBSTAR_BESIDE_QUOTED_SLASH.test(made) ? 'a' : made
}

/** Makes a tree with ignore files; returns its paths and, for the message of a failure, its ignore files. */
function makeTree(name: string, random: Random): { paths: string[]; patterns: Map<string, string> } {
  const names = random(3) === 0 ? [...NAMES, ...ODD_NAMES] : NAMES
  const types = new Map([['.', 'directory']])
  mkdirSync(bytePath(name))
  for (let i = 0; i < 30; i++) {
    let path = ''
    for (let depth = 1 + random(4); depth > 0; depth--) {
      path += `${path === '' ? '' : '/'}${names[random(names.length)]}`
      if (types.has(path)) continue
      if (types.get(parentPath(path)) !== 'directory') break
      const type = depth > 1 ? 'directory' : 'file'
      types.set(path, type)
      if (type === 'directory') mkdirSync(bytePath(name, path))
      else writeFileSync(bytePath(name, path), '')
    }
  }
  const patterns = new Map<string, string>()
  const directories = [...types].filter(([, type]) => type === 'directory').map(([path]) => path)
  for (let i = 1 + random(4); i > 0; i--) {
    const path = directories[random(directories.length)]!
    const lines = Array.from({ length: 1 + random(5) }, () => makePattern(random))
    const mark = random(8) === 0 ? '\u00ef\u00bb\u00bf' : ''
    const text = mark + lines.join(random(4) === 0 ? '\r\n' : '\n') + (random(2) === 0 ? '\n' : '')
    patterns.set(`${path}/.gitignore`, text)
    writeFileSync(bytePath(name, path, '.gitignore'), bytes(text))
  }
  for (const path of patterns.keys()) types.set(path.replace(/^\.\//, ''), 'file')
  return { paths: [...types.keys()].filter(path => path !== '.'), patterns }
}

function git(name: string, args: readonly string[], input = ''): string[] {
  const tree = join(directory, name)
  const environment = {
    GIT_DIR: repository,
    GIT_WORK_TREE: tree,
    PATH: process.env.PATH,
    HOME: directory,
    GIT_CONFIG_NOSYSTEM: '1'
  }
  const options = { cwd: tree, env: environment, input: bytes(input), encoding: 'latin1' } as const
  const { status, stdout, stderr } = spawnSync('git', ['-c', 'core.ignorecase=false', ...args], options)
  assert.ok(status === 0 || (status === 1 && stderr === ''), `git ${args[0]}: ${stderr}`)
  return stdout.split('\0').slice(0, -1)
}

/** What no pattern excludes, nor a directory above it. */
function keptByCheckIgnore(name: string, paths: readonly string[]): string[] {
  const fields = git(name, ['check-ignore', '--no-index', '-z', '-v', '-n', '--stdin'], `${paths.join('\0')}\0`)
  assert.equal(fields.length, 4 * paths.length)
  return paths.filter((_, i) => fields[4 * i] === '' || fields[4 * i + 2]!.startsWith('!'))
}

async function keptByWalk(name: string, options: RulesOptions): Promise<{ path: string; type: string }[]> {
  const kept: { path: string; type: string }[] = []
  const rules = createRules({ ignoreFiles: ['.gitignore'], ...options })
  for await (const { path, type } of walk(join(directory, name), rules))
    if (path !== ROOT_PATH) kept.push({ path, type })
  return kept
}

const inOrder = (paths: readonly string[]) => paths.map(path => decodePath(bytes(path))).sort()

test(`walk keeps what git check-ignore keeps, on ${TREES * FOREST} random trees`, oracle('git'), async () => {
  spawnSync('git', ['init', '-q', '--bare', repository])
  const random = randomOf(SEED)
  for (let forest = 0; forest < TREES; forest++) {
    const name = `check-${forest}`
    mkdirSync(bytePath(name))
    const trees = Array.from({ length: FOREST }, (_, i) => makeTree(`${name}/${i}`, random))
    const paths = trees.flatMap(({ paths }, i) => [String(i), ...paths.map(path => `${i}/${path}`)])
    const ours = (await keptByWalk(name, {})).map(({ path }) => path).sort()
    const wanted = inOrder(keptByCheckIgnore(name, paths))
    const of = (found: readonly string[], i: number) => found.filter(path => path.startsWith(`${i}/`))
    for (const [i, { patterns }] of trees.entries()) {
      const message = () => `seed ${SEED}, tree ${forest}/${i}: ${JSON.stringify([...patterns], null, 1)}`
      assert.deepEqual(of(ours, i), of(wanted, i), message())
    }
    assert.equal(ours.length, wanted.length)
    rmSync(bytePath(name), { recursive: true })
  }
})

test(
  `patterns of the caller are those of git ls-files --exclude, on ${TREES} random trees`,
  oracle('git'),
  async () => {
    spawnSync('git', ['init', '-q', '--bare', repository])
    const random = randomOf(SEED + 1)
    for (let tree = 0; tree < TREES; tree++) {
      const name = `exclude-${tree}`
      const { patterns } = makeTree(name, random)
      // An argument of a command holds neither NUL nor, in JavaScript, bytes that are not UTF-8.
      const exclude = Array.from({ length: 1 + random(4) }, () => makePattern(random)).filter(
        text => !/[\0\x80-\xff]/.test(text)
      )
      const ours = (await keptByWalk(name, { exclude }))
        .filter(({ type }) => type !== 'directory')
        .map(({ path }) => path)
      const args = [
        'ls-files',
        '--others',
        '-z',
        '--exclude-per-directory=.gitignore',
        ...exclude.map(text => `--exclude=${text}`)
      ]
      const message = () => `seed ${SEED}, tree ${tree}: ${JSON.stringify([exclude, ...patterns], null, 1)}`
      assert.deepEqual(ours.sort(), inOrder(git(name, args)), message())
      rmSync(bytePath(name), { recursive: true })
    }
  }
)

test(
  `ignore files of two names in one directory are as one behind the other, on ${TREES} random trees`,
  oracle('git'),
  async () => {
    spawnSync('git', ['init', '-q', '--bare', repository])
    const random = randomOf(SEED + 2)
    for (let tree = 0; tree < TREES; tree++) {
      const name = `both-${tree}`
      const { patterns } = makeTree(name, random)
      for (const [path, text] of patterns) {
        const more = Array.from({ length: 1 + random(4) }, () => makePattern(random)).join('\n')
        const beside = (other: string) => bytePath(name, path.replace(/\.gitignore$/, other))
        writeFileSync(beside('.more'), bytes(more))
        writeFileSync(beside('.both'), bytes(`${text}\n${more}`))
      }
      const ours = (await keptByWalk(name, { ignoreFiles: ['.gitignore', '.more'] }))
        .filter(({ type }) => type !== 'directory')
        .map(({ path }) => path)
      const wanted = git(name, ['ls-files', '--others', '-z', '--exclude-per-directory=.both'])
      const message = () => `seed ${SEED}, tree ${tree}: ${JSON.stringify([...patterns], null, 1)}`
      assert.deepEqual(ours.sort(), inOrder(wanted), message())
      rmSync(bytePath(name), { recursive: true })
    }
  }
)
