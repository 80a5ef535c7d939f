// Compiles the addon for other machines into prebuilds/, from where scripts/pack.mjs makes their packages. Node-API is the
// same for every version of Node: one binary for each platform is enough. Usage: node scripts/prebuild.mjs [PLATFORM…]; without
// one, for all that are published. Compilers: CXX_X64, CXX_ARM64, … (scripts/platforms.mjs).
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { binaryOf, hostPlatform, PLATFORMS, published, root } from './platforms.mjs'

/** The C++ library is linked in, and symbols that only a debugger reads are left out. */
const LINK = { linux: '-s -static-libstdc++ -static-libgcc', darwin: '-Wl,-x' }

export function prebuild(platform) {
  const { os, compiler, libc } = PLATFORMS[platform]
  // What was compiled for this machine is only linked again.
  const cxx = platform === hostPlatform() ? process.env.CXX : compiler
  if (cxx !== undefined && spawnSync(cxx.split(' ')[0], ['--version']).status !== 0) {
    const debian =
      libc === 'glibc' ? ` (Debian: g++-${cxx.replace(/-linux-gnu-g\+\+$/, '').replace('_', '-')}-linux-gnu)` : ''
    throw new Error(`No compiler ${cxx} for ${platform}${debian}`)
  }
  const env = { ...process.env, LDFLAGS: LINK[os], ...(cxx === undefined ? {} : { CXX: cxx }) }
  const args = [join(root, 'native/build.mjs'), '--output', binaryOf(platform)]
  const objects = ['--objects', join(root, 'build/Release/objects')]
  const { status } = spawnSync(process.execPath, [...args, ...objects], { env, stdio: 'inherit' })
  if (status !== 0) throw new Error(`The addon cannot be compiled for ${platform}`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = process.argv.slice(2)
  const unknown = wanted.filter(platform => !Object.hasOwn(PLATFORMS, platform))
  if (unknown.length > 0) {
    console.error(`Unknown platform: ${unknown.join(', ')}. Known: ${Object.keys(PLATFORMS).join(', ')}`)
    process.exit(2)
  }
  for (const platform of wanted.length > 0 ? wanted : published) prebuild(platform)
}
