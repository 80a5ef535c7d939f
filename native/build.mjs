// Compiles the addon with a C++17 compiler alone: Node-API needs two sets of headers and no library.
// `node native/build.mjs [--output FILE] [--objects DIRECTORY]` in a clone; `ibt build-addon` in an installed package. CXX names the compiler,
// CXXFLAGS and LDFLAGS add to its flags. Objects are kept by what they were made of; only what is stale is compiled.
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'

const native = dirname(fileURLToPath(import.meta.url))
const folders = ['jobs', 'fs', 'signature', 'delta', 'patch', 'compose', 'state', 'tar', 'hash']
/** Files that wrap and that wait: more optimisation makes them no faster, and costs a second. */
const NOT_HOT = ['jobs', 'fs']

export const ADDON = join(native, '..', 'build', 'Release', 'librsync-native.node')

const COMPILE = [
  ...['-std=c++17', '-fPIC', '-pthread', '-Wall', '-Wextra'],
  ...['-fexceptions', '-fno-rtti', '-fno-strict-aliasing', '-fvisibility=hidden', '-fvisibility-inlines-hidden'],
  ...['-DNAPI_VERSION=8', '-DNAPI_CPP_EXCEPTIONS', '-DNODE_ADDON_API_DISABLE_DEPRECATED', '-D_FILE_OFFSET_BITS=64']
]
const LINK =
  process.platform === 'darwin'
    ? ['-bundle', '-undefined', 'dynamic_lookup']
    : ['-shared', '-pthread', '-Wl,-z,relro', '-Wl,-z,now']
const MACOS = process.platform === 'darwin' ? ['-mmacosx-version-min=11.0'] : []

const run = promisify(execFile)
const words = text => text?.split(/\s+/).filter(word => word !== '') ?? []

/** The compiler's command. @throws Error that says how to get one. */
export function findCompiler(wanted = process.env.CXX) {
  const candidates = wanted ? [wanted] : ['c++', 'g++', 'clang++']
  const found = candidates.find(name => spawnSync(words(name)[0], ['--version']).status === 0)
  if (found !== undefined) return found
  throw new Error(
    `No C++ compiler: ${candidates.join(', ')}. Debian, Ubuntu: apt-get install g++. Alpine: apk add g++. ` +
      'Fedora: dnf install gcc-c++. macOS: xcode-select --install. CXX names another one'
  )
}

/** Where Node-API's headers are: packed with the sources, or packages of a clone. */
function includeFolders() {
  const packed = join(native, 'include')
  if (existsSync(packed)) return [packed]
  const require = createRequire(import.meta.url)
  return [dirname(require.resolve('node-addon-api/package.json')), require('node-api-headers').include_dir]
}

const sourcesIn = folder =>
  readdirSync(join(native, folder))
    .filter(name => name.endsWith('.cc'))
    .sort()
    .map(name => join(native, folder, name))

const isVectors = source => /_(avx2|avx512|neon|shani|armv8)\.cc$/.test(source)

/**
 * What is compiled by itself, the longest first. A folder is one translation unit, since its headers cost more time than
 * its code. Each file of vector instructions is one of its own: those share names.
 */
function unitsIn(objects) {
  const units = folders.map(folder => {
    const sources = sourcesIn(folder).filter(source => !isVectors(source))
    if (folder === 'jobs') sources.unshift(join(native, 'binding.cc'))
    const path = join(objects, `${folder}.cc`)
    const text = sources.map(source => `#include ${JSON.stringify(source)}\n`).join('')
    if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text)
    return { path, object: join(objects, `${folder}.o`), level: NOT_HOT.includes(folder) ? '-O2' : '-O3' }
  })
  const vectors = sourcesIn('hash').filter(isVectors)
  return [
    ...units,
    ...vectors.map(path => ({ path, object: join(objects, `${basename(path, '.cc')}.o`), level: '-O3' }))
  ]
}

/** An object is stale if one of the files that its compiler read has changed. */
function isStale(object) {
  const list = object.replace(/o$/, 'd')
  if (!existsSync(object) || !existsSync(list)) return true
  const made = statSync(object).mtimeMs
  const [, ...read] = readFileSync(list, 'utf8').match(/(?:\\.|[^\s\\])+/g) ?? []
  return read.some(name => {
    const stat = statSync(name.replace(/\\(.)/g, '$1'), { throwIfNoEntry: false })
    return stat === undefined || stat.mtimeMs > made
  })
}

/** Runs `work` on every item, as many at a time as there are processors. */
async function inParallel(items, work) {
  const queue = [...items]
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
}

/** Compiles the addon into `output`, which is replaced when it is whole. Resolves to whether anything was stale. */
export async function buildAddon({ output = ADDON, objects: place = join(dirname(output), 'objects') } = {}) {
  const [compiler, ...before] = words(findCompiler())
  const flags = [...before, ...COMPILE, ...MACOS, ...words(process.env.CXXFLAGS)]
  const version = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout
  // With the place: the lists of what was read name the sources of the clone that a copy was made of.
  const recipe = JSON.stringify([native, compiler, version, flags, NOT_HOT])
  const objects = join(place, createHash('sha256').update(recipe).digest('hex').slice(0, 12))
  mkdirSync(objects, { recursive: true })
  mkdirSync(dirname(output), { recursive: true })

  const units = unitsIn(objects)
  const includes = includeFolders().flatMap(folder => ['-isystem', folder])
  await inParallel(
    units.filter(({ object }) => isStale(object)),
    async ({ path, object, level }) => {
      const unfinished = `${object}.${process.pid}`
      const list = ['-MMD', '-MF', object.replace(/o$/, 'd')]
      const { stderr } = await run(compiler, [...flags, level, ...includes, ...list, '-c', path, '-o', unfinished])
      process.stderr.write(stderr)
      renameSync(unfinished, object)
    }
  )
  const made = units.map(({ object }) => object)
  const isLinked = existsSync(output) && made.every(object => statSync(object).mtimeMs <= statSync(output).mtimeMs)
  if (isLinked) return false
  // A process may have the old one mapped.
  const unfinished = `${output}.${process.pid}`
  await run(compiler, [...flags, ...LINK, ...made, ...words(process.env.LDFLAGS), '-o', unfinished])
  renameSync(unfinished, output)
  return true
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const options = { output: { type: 'string' }, objects: { type: 'string' } }
  try {
    await buildAddon(parseArgs({ options }).values)
  } catch (error) {
    console.error(`Cannot compile the addon: ${error.stderr || error.message}`)
    process.exitCode = 1
  }
}
