import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Exit } from '../../src/cli/exit.js'
import { HELP_COLUMNS } from '../../src/cli/help.js'
import { PATTERNS, TOPICS } from '../../src/cli/topics.js'
import { createRules } from '../../src/index.js'
import { runIbt } from '../helpers/warm-ibt.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

function help(...args: string[]): string {
  const { status, stdout, stderr } = runIbt(args)
  assert.equal(status, 0, stderr)
  assert.equal(stderr, '')
  return stdout
}

const OVERVIEW = help('help')
const COMMANDS = [...OVERVIEW.matchAll(/^ {2}([a-z]+) .*[<[].*$/gm)].map(([, name]) => name!)

test('the overview lists every command and every topic', () => {
  const programs = readdirSync(join(ROOT, 'src/cli/programs')).map(name => `programs/${name}`)
  const texts = ['program.ts', ...programs].map(name => readFileSync(join(ROOT, 'src/cli', name), 'utf8'))
  const written = [...texts.join('\n').matchAll(/(?:command\(|addReader\(\s*program,\s*)'(\w+) /g)]
  assert.ok(written.length > 5)
  for (const [, name] of written) assert.ok(COMMANDS.includes(name!), name)
  for (const topic of Object.keys(TOPICS)) assert.match(OVERVIEW, new RegExp(`^  ${topic} `, 'm'))
})

test('every page is there, within the columns, and the same as by --help', () => {
  for (const topic of [...COMMANDS, ...Object.keys(TOPICS), 'IBT_LOCKED', 'ibt_no_backup']) {
    const page = help('help', topic)
    assert.ok(page.split('\n').length > 5, topic)
    for (const line of page.split('\n')) assert.ok(line.length <= HELP_COLUMNS, `${topic}: ${line}`)
    if (COMMANDS.includes(topic)) assert.equal(help(topic, '--help'), page)
  }
  for (const line of OVERVIEW.split('\n')) assert.ok(line.length <= HELP_COLUMNS, line)
})

test('what there is no help on ends with 2', () => {
  for (const topic of ['nonsense', 'constructor', 'IBT_NONSENSE']) {
    const { status, stderr } = runIbt(['help', topic])
    assert.equal(status, 2)
    assert.match(stderr, /ibt help lists/)
  }
})

test('the page on patterns says what the rules do', () => {
  for (const { pattern, leavesOut, keeps } of PATTERNS) {
    assert.ok(isExcluded(pattern, leavesOut), `${pattern} leaves out ${leavesOut}`)
    assert.ok(!isExcluded(pattern, keeps), `${pattern} keeps ${keeps}`)
  }
})

/** Whether a file, or a directory above it, is left out. */
function isExcluded(pattern: string, path: string): boolean {
  const scope = createRules({ exclude: [pattern] }).root(new Map(), [])
  const parts = path.split('/')
  return parts.some((_, i) =>
    scope.excludes(parts.slice(0, i + 1).join('/'), i < parts.length - 1 ? 'directory' : 'file')
  )
}

test('the page on exit codes has all of them', () => {
  const listed = [...help('help', 'exit-codes').matchAll(/^ *(\d+) {2}/gm)].map(([, code]) => Number(code))
  assert.deepEqual(listed, Object.values(Exit))
})

test('the page on the environment has every variable that the code looks at', () => {
  const page = help('help', 'environment')
  const files = ['src', 'native', 'bin'].flatMap(directory =>
    readdirSync(join(ROOT, directory), { recursive: true }).map(name => join(ROOT, directory, String(name)))
  )
  const code = files
    .filter(path => /\.(ts|cc|cjs)$/.test(path) && !path.includes('native/test'))
    .map(path => readFileSync(path, 'utf8'))
  const names = code.flatMap(text => [...text.matchAll(/process\.env\.([A-Z_]+)|getenv\("([A-Z_]+)"\)/g)])
  assert.ok(names.length > 5)
  for (const [, a, b] of names) assert.ok(page.includes((a ?? b)!), a ?? b)
})
