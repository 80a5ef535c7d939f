// Compiles the addon for Linux with glibc on x64 and ARM64, into prebuilds/, where node-gyp-build looks for it. Node-API
// is the same for every version of Node, so one binary of each is enough. Other compilers: CXX_X64, CXX_ARM64.
// Usage: npm run prebuild, or node scripts/prebuild.mjs [x64] [arm64]. In package.json it hangs on `postprebuild`, since
// npm runs what is called `prebuild` before each `build`.
import { spawnSync } from 'node:child_process'
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compilers = {
  x64: process.env.CXX_X64 ?? 'x86_64-linux-gnu-g++',
  arm64: process.env.CXX_ARM64 ?? 'aarch64-linux-gnu-g++'
}

/** In a directory of its own: build/ is this machine's. */
function prebuild(arch) {
  const cxx = compilers[arch]
  if (spawnSync(cxx, ['--version']).status !== 0)
    throw new Error(`No compiler ${cxx} (Debian: g++${arch === 'arm64' ? '-aarch64-linux-gnu' : ''})`)
  const directory = mkdtempSync(join(tmpdir(), 'prebuild-'))
  try {
    for (const name of ['binding.gyp', 'package.json', 'native']) {
      cpSync(join(root, name), join(directory, name), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(directory, 'node_modules'))
    const args = ['rebuild', `--arch=${arch}`, '--jobs=max']
    const prefix = dirname(dirname(process.execPath))
    if (existsSync(join(prefix, 'include/node/node_api.h'))) args.push(`--nodedir=${prefix}`)
    const env = { ...process.env, CC: cxx.replace('g++', 'gcc'), CXX: cxx, LDFLAGS: '-s' }
    const script = join(root, 'node_modules/node-gyp/bin/node-gyp.js')
    const { status } = spawnSync(process.execPath, [script, ...args], { cwd: directory, env, stdio: 'inherit' })
    if (status !== 0) throw new Error(`node-gyp failed for ${arch}`)
    const folder = join(root, 'prebuilds', `linux-${arch}`)
    mkdirSync(folder, { recursive: true })
    copyFileSync(join(directory, 'build/Release/librsync-native.node'), join(folder, 'librsync-native.glibc.node'))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter(arch => !Object.hasOwn(compilers, arch))
if (unknown.length > 0) throw new Error(`No such architecture: ${unknown.join(', ')}`)
for (const arch of wanted.length > 0 ? wanted : Object.keys(compilers)) prebuild(arch)
