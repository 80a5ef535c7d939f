import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { BIN, Desk } from '../helpers/desk.js'

const ROOT = dirname(dirname(BIN))

const HOOKS = `
  import { appendFileSync } from 'node:fs'
  export async function load (url, context, next) {
    appendFileSync(process.env.LOADED, url + '\\n')
    return next(url, context)
  }`
/** Writes down every module that is loaded, of either kind. */
const RECORDER = `
  import { appendFileSync } from 'node:fs'
  import Module, { register } from 'node:module'
  import { pathToFileURL } from 'node:url'
  register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}))
  process.on('exit', () => {
    for (const path of Object.keys(Module._cache)) appendFileSync(process.env.LOADED, pathToFileURL(path) + '\\n')
  })`

/** What a command loads: files of the package, and the packages that it depends on. */
function modulesOf(desk: Desk, ...args: string[]): { readonly own: string[]; readonly packages: string[] } {
  const loaded = desk.at('loaded')
  writeFileSync(loaded, '')
  writeFileSync(desk.at('recorder.mjs'), RECORDER)
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', pathToFileURL(desk.at('recorder.mjs')).href, BIN, ...args],
    { cwd: desk.path, env: { ...desk.env, LOADED: loaded }, encoding: 'utf8' }
  )
  assert.equal(status, 0, stderr)
  const urls = new Set(
    readFileSync(loaded, 'utf8')
      .split('\n')
      .filter(url => url.startsWith('file:'))
  )
  const paths = [...urls]
    .map(url => relative(ROOT, fileURLToPath(url)))
    .filter(path => !path.startsWith('..'))
    .sort()
  const packages = paths.flatMap(path => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? [])
  const own = paths.filter(path => !path.startsWith('node_modules/')).flatMap(modulesIn)
  return { own, packages: [...new Set(packages)].sort() }
}

/** Modules that a file consists of: those of a bundle are named before the code of each. */
function modulesIn(path: string): string[] {
  if (!path.startsWith('dist/src/ibt/')) return [path]
  const text = readFileSync(join(ROOT, path), 'utf8')
  return Array.from(text.matchAll(/^\/\/ (dist\/\S+)$/gm), ([, name]) => name!)
}

test('signature, delta, patch and compose load the addon and little else', t => {
  const desk = new Desk(t)
  writeFileSync(desk.at('old'), 'x'.repeat(10_000))
  writeFileSync(desk.at('new'), 'x'.repeat(9000))
  const commands = [
    ['signature', 'old', 'sig'],
    ['delta', 'sig', 'new', 'delta'],
    ['patch', 'old', 'delta', 'out'],
    ['compose', 'delta', 'composed']
  ]
  for (const command of commands) {
    const { own, packages } = modulesOf(desk, ...command)
    assert.deepEqual(packages, [])
    const odd = own.filter(
      path => !/^(bin\/|build\/|package\.json$|dist\/src\/(cli\/|native|flow\/)|dist\/src\/[a-z-]+\.js$)/.test(path)
    )
    assert.deepEqual(odd, [])
    assert.ok(
      own.some(path => path.endsWith('.node')),
      'the addon was not recorded'
    )
    assert.ok(own.length < 40, own.join(' '))
  }
})

test('a backup and a restore load no tar-stream and no date parser, help loads no addon', t => {
  const desk = new Desk(t)
  writeFileSync(desk.at('file'), 'x')
  const { packages } = modulesOf(desk, 'full', '.', '--key', 'src')
  for (const unwanted of ['tar-stream', 'chrono-node']) assert.ok(!packages.includes(unwanted), packages.join(' '))
  assert.ok(!modulesOf(desk, '--help').own.some(path => path.endsWith('.node')))
})
