import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { BIN, Desk } from '../helpers/desk.js'

/** A machine for which `@mongodb-js/zstd` has no binary, and a Node as old as 20, or a newer one. */
const hideZstd = (alsoNodes: boolean) => `
  const Module = require('node:module')
  const load = Module._load
  Module._load = (name, ...rest) => {
    if (name.startsWith('@mongodb-js/zstd')) throw new Error('no binary for this platform')
    return load(name, ...rest)
  }
  if (${alsoNodes}) {
    const zlib = require('node:zlib')
    for (const name of ['zstdCompress', 'zstdDecompress']) delete zlib[name]
    Module.syncBuiltinESMExports()
  }`

function ibtWithout(desk: Desk, alsoNodes: boolean, ...args: string[]) {
  writeFileSync(desk.at('hide.cjs'), hideZstd(alsoNodes))
  return spawnSync(process.execPath, ['--require', desk.at('hide.cjs'), BIN, ...args], {
    cwd: desk.path,
    env: desk.env,
    encoding: 'utf8'
  })
}

function makeSource(desk: Desk): void {
  mkdirSync(desk.at('src'))
  writeFileSync(desk.at('src/file'), 'content '.repeat(1000))
}

const suffixes = (desk: Desk) => [...new Set(readdirSync(desk.at('store')).map(name => name.split('.').at(-1)))]

test('a machine without zstd compresses with gzip, and restores that', t => {
  const desk = new Desk(t)
  makeSource(desk)
  const made = ibtWithout(desk, true, 'full', 'src', '--store', 'store')
  assert.equal(made.status, 0, made.stderr)
  assert.deepEqual(suffixes(desk), ['gz'])
  const restored = ibtWithout(desk, true, 'restore', 'src', 'then', '--store', 'store')
  assert.equal(restored.status, 0, restored.stderr)
  assert.deepEqual(readFileSync(desk.at('then/file')), readFileSync(desk.at('src/file')))
})

test('a machine without zstd says so of a backup that needs it, and does not call it damaged', t => {
  const desk = new Desk(t)
  makeSource(desk)
  assert.equal(
    spawnSync(process.execPath, [BIN, 'full', 'src', '--store', 'store'], { cwd: desk.path, env: desk.env }).status,
    0
  )
  const { status, stderr } = ibtWithout(desk, true, 'restore', 'src', 'then', '--store', 'store')
  assert.equal(status, 1)
  assert.match(stderr, /Cannot load zstd.*Node 22\.15/)
})

test("Node's own zstd serves where the package has no binary", {
  skip: hasOwnZstd() ? false : `the zlib module of Node ${process.version} has no zstd; that of Node 22.15 has`
}, t => {
  const desk = new Desk(t)
  makeSource(desk)
  const made = ibtWithout(desk, false, 'full', 'src', '--store', 'store')
  assert.equal(made.status, 0, made.stderr)
  assert.deepEqual(suffixes(desk), ['zst'])
})

function hasOwnZstd(): boolean {
  return 'zstdCompress' in process.getBuiltinModule('node:zlib')
}
