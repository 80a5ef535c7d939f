import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { createRules } from '../../src/rules.js'
import { walk } from '../../src/stages/walk.js'
import { oracle } from '../helpers/oracle.js'

const TREES = process.env.SLOW === '1' ? 2000 : 150
const SEED = Number(process.env.SEED ?? 20261123)
const NAMES = ['a', 'b', 'A', 'ab', 'a.o', 'b.o', 'foo', 'foo.txt', 'x y', '#c', '!d', 'build', 'é', '.hid', 'a-b']
const PATTERNS = [
  ...['a', 'b/', '*.o', '!a.o', '/a', 'a/b', '**/foo', 'foo/**', 'a/**/b', '!foo', '*', '!*/', '!*.txt', '?', '[ab]'],
  ...[
    '[!a]*',
    'a*',
    '\\#c',
    '\\!d',
    '# comment',
    '',
    'x\\ y',
    'x y',
    'build/',
    '!build/',
    '/*/a',
    '*/b',
    'é',
    '.*',
    'foo.txt '
  ],
  ...['/foo/*', '!/foo/a', 'A', '**', '**/', 'a/', '!a/', '*.t?t', '[a-c].o', 'b.[^x]']
]

/** A small generator with a fixed seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below)
  }
}

function makeTree(root: string, random: (below: number) => number): string[] {
  const paths = new Set<string>()
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!
  const write = (path: string, text: string) => {
    try {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text, { flag: 'wx' })
    } catch {
      return
    }
    for (let part = path; part !== '.'; part = dirname(part)) paths.add(part)
  }
  for (let i = 0; i < 30; i++) write(Array.from({ length: 1 + random(4) }, () => pick(NAMES)).join('/'), '')
  const directories = ['.', ...[...paths].map(path => dirname(path))]
  for (let i = 0; i < 1 + random(4); i++) {
    const patterns = Array.from({ length: 1 + random(5) }, () => pick(PATTERNS))
    write(join(pick(directories), '.gitignore'), `${patterns.join('\n')}\n`)
  }
  return [...paths]
}

/** What git does not ignore, and does not find below something that it ignores. */
function keptByGit(root: string, paths: readonly string[]): string[] {
  const input = paths.map(path => `${path}\0`).join('')
  const git = spawnSync('git', ['-C', root, 'check-ignore', '--no-index', '-z', '--stdin'], { input })
  const ignored = new Set(git.stdout.toString().split('\0'))
  const isKept = (path: string): boolean => path === '.' || (!ignored.has(path) && isKept(dirname(path)))
  return paths.filter(isKept).sort()
}

async function keptByWalk(root: string): Promise<string[]> {
  const kept: string[] = []
  const rules = createRules({ ignoreFiles: ['.gitignore'], exclude: ['/.git'] })
  for await (const { path } of walk(root, rules)) if (path !== '.') kept.push(path)
  return kept.sort()
}

test(`walk keeps what git keeps, on ${TREES} random trees`, oracle('git'), async () => {
  const random = randomOf(SEED)
  for (let tree = 0; tree < TREES; tree++) {
    const root = mkdtempSync(join(tmpdir(), 'ibt-ignore-'))
    try {
      spawnSync('git', ['init', '-q', root])
      const paths = makeTree(root, random)
      const [ours, theirs] = [await keptByWalk(root), keptByGit(root, paths)]
      const rules = spawnSync('sh', ['-c', 'find . -name .gitignore -exec grep -H "" {} +'], {
        cwd: root
      }).stdout.toString()
      assert.deepEqual(ours, theirs, `seed ${SEED}, tree ${tree}:\n${rules}`)
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
  }
})
