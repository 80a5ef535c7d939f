import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { decodePath, encodePath, ROOT_PATH } from '../../src/path.js'
import { createRules, type RulesOptions } from '../../src/rules.js'
import { walk } from '../../src/stages/walk.js'
import { collect } from '../helpers/entries.js'
import { run } from '../helpers/judges.js'
import { oracle } from '../helpers/oracle.js'
import { createRandom, type Random } from '../helpers/random.js'
import { ODD_NAMES, Tree } from '../helpers/tree.js'
import { temporaryDirectory } from '../native/tree.js'

const TREES = process.env.SLOW === '1' ? 400 : 25
const SEED = Number(process.env.SEED ?? 20261123)
const TAG = 'Signature: 8a477f597d28d172789f06886806bc55\n'
const MARKS = ['.nobackup', 'skip']

/** A tree with marks, tags and what only looks like one; returns the paths of its entries, as binary strings. */
function makeTree(root: string, random: Random): { tree: Tree; paths: string[] } {
  const tree = new Tree(root, 1)
  const directories = ['']
  const paths: string[] = []
  const names = ['a', 'b', 'c', 'a b', '-', '__proto__', ...ODD_NAMES.map(name => Buffer.from(name as string))]
  for (let i = 0; i < 12; i++) {
    const path = `${random.pick(directories)}${Buffer.from(random.pick(names) as string).toString('latin1')}/`
    if (directories.includes(path)) continue
    tree.directory(Buffer.from(path, 'latin1'))
    directories.push(path)
    paths.push(path.slice(0, -1))
  }
  const add = (path: string, content: string) => {
    tree.file(Buffer.from(path, 'latin1'), content)
    paths.push(path)
  }
  for (const path of directories) {
    for (let i = random.int(3); i > 0; i--) add(`${path}file ${i}`, '')
    if (path === '' || random.chance(0.5)) continue
    const kind = random.int(4)
    if (kind === 0) add(`${path}${random.pick(MARKS)}`, '')
    else add(`${path}CACHEDIR.TAG`, [TAG, `${TAG}# more`, ` ${TAG}`][kind - 1]!)
  }
  return { tree, paths }
}

/** What GNU tar puts into an archive, as binary strings, without the root. */
function keptByTar(root: string, args: readonly string[], names?: Buffer): string[] {
  const script = 'root=$1; shift; tar -C "$root" -cf - "$@" | tar -tf - --quoting-style=escape'
  return toPaths(run('bash', ['-o', 'pipefail', '-ec', script, 'bash', root, ...args], names))
}

/** Names as tar prints them in style `escape`, one a line. */
function toPaths(said: Buffer): string[] {
  const decodeEscape = (_: string, what: string) =>
    /^\d/.test(what)
      ? String.fromCharCode(Number.parseInt(what, 8))
      : ({ n: '\n', t: '\t', r: '\r', a: '\x07', b: '\b', f: '\f', v: '\v', '?': '\x7f' }[what] ?? what)
  const lines = said.toString('latin1').split('\n').slice(0, -1)
  const paths = lines.map(line => line.replace(/\\(\d{3}|.)/g, decodeEscape).replace(/^\.\/|\/$/g, ''))
  return [...new Set(paths.filter(path => path !== '' && path !== ROOT_PATH))].sort()
}

async function keptByWalk(root: string, options: RulesOptions): Promise<string[]> {
  const entries = await collect(walk(root, createRules({ ignoreFiles: [], ...options })))
  return entries
    .filter(({ path }) => path !== ROOT_PATH)
    .map(({ path }) => encodePath(path).toString('latin1'))
    .sort()
}

test(`marks and tags leave out what they do in GNU tar, on ${TREES} random trees`, oracle('tar'), async t => {
  const base = temporaryDirectory(t)
  const random = createRandom(SEED)
  for (let i = 0; i < TREES; i++) {
    const root = join(base, String(i))
    const { paths } = makeTree(root, random)
    const message = `seed ${SEED}, tree ${i}: ${JSON.stringify(paths)}`
    const wanted = keptByTar(root, ['--exclude-caches', ...MARKS.map(name => `--exclude-tag=${name}`), '.'])
    assert.deepEqual(await keptByWalk(root, { excludeCaches: true, excludeIfPresent: MARKS }), wanted, message)
  }
})

test(`names from a list bring what they do in GNU tar, on ${TREES} random trees`, oracle('tar'), async t => {
  const base = temporaryDirectory(t)
  const random = createRandom(SEED + 1)
  for (let i = 0; i < TREES; i++) {
    const root = join(base, String(i))
    const { paths } = makeTree(root, random)
    const chosen = paths.filter(() => random.chance(0.2))
    // Tar stores no directory for the sake of what lies in it.
    const leading = chosen.flatMap(path => path.split('/').map((_, end, parts) => parts.slice(0, end).join('/')))
    const list = Buffer.from(chosen.map(path => `./${path}\0`).join(''), 'latin1')
    const wanted = chosen.length === 0 ? [] : keptByTar(root, ['--null', '-T', '-'], list)
    const all = [...new Set([...wanted, ...leading.filter(path => path !== '')])].sort()
    const files = chosen.map(path => decodePath(Buffer.from(path, 'latin1')))
    const message = `seed ${SEED}, tree ${i}: ${JSON.stringify(chosen)}`
    assert.deepEqual(await keptByWalk(root, { files, onMissing: assert.fail }), all, message)
  }
})
