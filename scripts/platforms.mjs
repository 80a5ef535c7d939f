// The platforms that binaries are made for, each in a package of its own that npm installs only there. `isPublished`
// ones are optional dependencies of the package; the others await a machine or a compiler that makes them.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const readManifest = () => JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
export const ADDON_FILE = 'librsync-native.node'

const linux = (arch, libc, compiler) => ({
  os: 'linux',
  cpu: arch,
  libc,
  compiler,
  isPublished: libc === 'glibc'
})
const darwin = arch => ({ os: 'darwin', cpu: arch, compiler: `clang++ -arch ${arch === 'x64' ? 'x86_64' : arch}` })

export const PLATFORMS = {
  'linux-x64-gnu': linux('x64', 'glibc', process.env.CXX_X64 ?? 'x86_64-linux-gnu-g++'),
  'linux-arm64-gnu': linux('arm64', 'glibc', process.env.CXX_ARM64 ?? 'aarch64-linux-gnu-g++'),
  'linux-x64-musl': linux('x64', 'musl', process.env.CXX_X64_MUSL ?? 'x86_64-linux-musl-g++'),
  'linux-arm64-musl': linux('arm64', 'musl', process.env.CXX_ARM64_MUSL ?? 'aarch64-linux-musl-g++'),
  'darwin-x64': darwin('x64'),
  'darwin-arm64': darwin('arm64')
}

export const published = Object.keys(PLATFORMS).filter(platform => PLATFORMS[platform].isPublished)

/** The platform of this machine. */
export function hostPlatform() {
  const { glibcVersionRuntime } = process.report.getReport().header
  const library = process.platform === 'linux' ? (glibcVersionRuntime === undefined ? '-musl' : '-gnu') : ''
  return `${process.platform}-${process.arch}${library}`
}

export const binaryOf = platform => join(root, 'prebuilds', platform, ADDON_FILE)
export const packageOf = platform => `@${readManifest().name}/${platform}`

/** What package.json of a platform's package says. */
export function platformManifest(platform) {
  const { os, cpu, libc } = PLATFORMS[platform]
  const { name, version, license } = readManifest()
  return {
    name: packageOf(platform),
    version,
    description: `The native addon of ${name} for ${platform}`,
    license,
    main: ADDON_FILE,
    files: [ADDON_FILE],
    os: [os],
    cpu: [cpu],
    ...(libc === undefined ? {} : { libc: [libc] }),
    engines: { node: readManifest().engines.node },
    // Yarn keeps packages in archives, where nothing can be loaded from.
    preferUnplugged: true,
    publishConfig: { access: 'public' }
  }
}
