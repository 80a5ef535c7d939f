import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT = dirname(dirname(dirname(dirname(fileURLToPath(import.meta.url)))))
const ADDON = join(ROOT, 'build/Release/librsync-native.node')
const NAME = 'incremental-backups-tools'

let desk: string
/** The package as it is unpacked on another machine. */
let installed: string

before(async () => {
  desk = mkdtempSync(join(tmpdir(), 'ibt-pack-'))
  const { pack } = (await import(pathToFileURL(join(ROOT, 'scripts/pack.mjs')).href)) as {
    pack(directory: string, platforms: string[]): { main: { path: string } }
  }
  const { main } = pack(join(desk, 'packed'), [])
  mkdirSync(join(desk, 'node_modules', NAME), { recursive: true })
  installed = join(desk, 'node_modules', NAME)
  const { status } = spawnSync('tar', ['-xzf', main.path, '-C', installed, '--strip-components', '1'])
  assert.equal(status, 0)
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (!name.startsWith('.')) symlinkSync(join(ROOT, 'node_modules', name), join(desk, 'node_modules', name))
  }
})
after(() => rmSync(desk, { recursive: true, force: true }))

const files = () =>
  readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath ?? entry.path, entry.name))

function ibt(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(installed, 'bin/ibt.cjs'), ...args], {
    cwd: desk,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, HOME: desk, TMPDIR: desk, IBT_CACHE: join(desk, 'cache'), ...env }
  })
}

test('the packed package runs no script and has no file that npm would compile', () => {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  assert.equal(manifest.scripts, undefined)
  assert.equal(manifest.private, undefined)
  assert.equal(manifest.gypfile, false)
  assert.deepEqual(
    files().filter(path => /\.gypi?$/.test(path)),
    []
  )
})

test('the platform packages are optional dependencies of exactly the version of the package', () => {
  const { version, optionalDependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  assert.deepEqual(optionalDependencies, {
    [`@${NAME}/linux-x64-gnu`]: version,
    [`@${NAME}/linux-arm64-gnu`]: version
  })
})

test('a platform package says for which system, processor and C library it is', async () => {
  const { platformManifest } = (await import(pathToFileURL(join(ROOT, 'scripts/platforms.mjs')).href)) as {
    platformManifest(platform: string): Record<string, unknown>
  }
  const { os, cpu, libc, main } = platformManifest('linux-arm64-musl')
  assert.deepEqual(
    { os, cpu, libc, main },
    { os: ['linux'], cpu: ['arm64'], libc: ['musl'], main: 'librsync-native.node' }
  )
  assert.deepEqual(platformManifest('darwin-x64').os, ['darwin'])
})

test('every link of the packed pages leads into the package', () => {
  const pages = files().filter(path => path.endsWith('.md'))
  assert.ok(pages.length > 8, `${pages.length} pages`)
  for (const page of pages) {
    for (const [, target] of readFileSync(page, 'utf8').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:|^#/.test(target!)) continue
      assert.ok(existsSync(join(dirname(page), target!.split('#')[0]!)), `${page} links to ${target}`)
    }
  }
})

test('no packed program names a source map that is not packed', () => {
  for (const path of files().filter(path => /\.(c|m)?js$/.test(path))) {
    const [, map] = /^\/\/# sourceMappingURL=(.*)$/m.exec(readFileSync(path, 'utf8')) ?? []
    assert.ok(map === undefined || existsSync(join(dirname(path), map)), `${path} names ${map}`)
  }
})

test('without its addon the package names the command for every package manager', () => {
  const { status, stderr } = ibt(['signature', ADDON, 'signature'])
  assert.equal(status, 1)
  const { version } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  if (process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64')) {
    const wanted = `@${NAME}/linux-${process.arch}-gnu@${version}`
    for (const command of [`npm install ${wanted}`, `pnpm add ${wanted}`, `yarn add ${wanted}`]) {
      assert.ok(stderr.includes(command), `${command} is not in:\n${stderr}`)
    }
    assert.match(stderr, /bundle/)
  }
  assert.match(stderr, /npx ibt build-addon/)
})

test('IBT_ADDON names the addon, and no other is taken if that one is missing', () => {
  assert.equal(ibt(['signature', ADDON, 'named'], { IBT_ADDON: ADDON }).status, 0)
  const { status, stderr } = ibt(['signature', ADDON, 'missing'], { IBT_ADDON: join(desk, 'nowhere.node') })
  assert.equal(status, 1)
  assert.match(stderr, /IBT_ADDON names .*nowhere\.node, which is not there/)
})

test('a binary that does not load here is named, with its reason', () => {
  const broken = join(desk, 'broken.node')
  cpSync(join(ROOT, 'package.json'), broken)
  const { status, stderr } = ibt(['signature', ADDON, 'broken'], { IBT_ADDON: broken })
  assert.equal(status, 1)
  assert.match(stderr, /broken\.node does not load here \(.*\)/)
  assert.match(stderr, /npx ibt build-addon/)
})

test('an addon that cannot be compiled is an error that says what is missing', () => {
  const { status, stderr } = ibt(['build-addon', '--output', join(desk, 'own.node')], { CXX: 'no-such-compiler' })
  assert.equal(status, 1)
  assert.match(stderr, /No C\+\+ compiler: no-such-compiler/)
})
