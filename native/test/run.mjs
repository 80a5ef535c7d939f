// Builds and runs the engine's C++ programs: `node native/test/run.mjs unit|rdiff|rates [arguments]`.
// `unit` runs under the address and undefined-behaviour sanitizers, once at each level of vector instructions unless
// IBT_SIMD names one. Objects are kept in node_modules/.cache by what they were made of. With --build it only prints the
// program's path. CXX is the compiler; RUN_WITH is what a program for another processor runs with. Exits 77 if there is
// no compiler.
import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const native = join(dirname(fileURLToPath(import.meta.url)), '..')
const root = join(native, '..')
// Not in build/, which node-gyp empties.
const objects = join(root, 'node_modules', '.cache', 'engine')
const warnings = ['-Wall', '-Wextra', '-Werror']
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']
const programs = {
  unit: {
    sources: ['main', 'kernels', 'hash', 'signature', 'delta', 'patch', 'compose'],
    flags: ['-O1', '-g', ...sanitizers]
  },
  rdiff: { sources: ['rdiff'], flags: ['-O2'] },
  rates: { sources: ['rates'], flags: ['-O3'] }
}
// The targets of scripts/fuzz.mjs, each a program of its own.
for (const target of ['compose', 'delta', 'hash', 'patch', 'scan', 'signature']) {
  programs[`fuzz-${target}`] = {
    folder: 'fuzz',
    sources: [target, ...(target === 'patch' ? ['../fs/patcher', '../fs/stream_io'] : [])],
    flags: ['-O1', '-g', '-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all']
  }
}

const run = promisify(execFile)
const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest('hex')
const inFolder = (folder, suffix) =>
  readdirSync(join(native, folder))
    .filter(name => name.endsWith(suffix))
    .sort()
    .map(name => join(native, folder, name))
const engineFolders = ['hash', 'signature', 'delta', 'patch', 'compose']

function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++']
  return candidates.find(name => spawnSync(name, ['--version']).status === 0)
}

/** Made under a name of its own and renamed: two tests may build at the same time. */
async function make(compiler, output, args) {
  if (existsSync(output)) return
  const unfinished = `${output}.${process.pid}`
  await run(compiler, [...args, '-o', unfinished])
  renameSync(unfinished, output)
}

async function build(compiler, name) {
  const { sources, flags, folder = 'test' } = programs[name]
  const headersIn = folders => folders.flatMap(name => inFolder(name, '.h')).map(path => readFileSync(path))
  const engine = engineFolders.flatMap(name => inFolder(name, '.cc'))
  const files = [...engine, ...sources.map(source => join(native, folder, `${source}.cc`))]
  const allFlags = ['-std=c++17', ...warnings, ...flags]
  const version = spawnSync(compiler, ['--version'], { encoding: 'utf8' }).stdout
  const common = sha256(
    version,
    allFlags.join(' '),
    readFileSync(join(native, 'engine.h')),
    ...headersIn(engineFolders)
  )
  const own = sha256(common, ...headersIn(['fs', folder]))

  mkdirSync(objects, { recursive: true })
  const made = files.map((file, i) => {
    const headers = i < engine.length ? common : own
    return join(objects, `${sha256(headers, relative(root, file), readFileSync(file))}.o`)
  })
  let next = 0
  const worker = async () => {
    while (next < files.length) {
      const i = next++
      await make(compiler, made[i], [...allFlags, '-c', files[i]])
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  const program = join(objects, `${name}-${sha256(...made)}`)
  await make(compiler, program, [...flags, ...made])
  return program
}

function levelsOf(compiler) {
  const { stdout } = spawnSync(compiler, ['-dumpmachine'], { encoding: 'utf8' })
  return /^(aarch64|arm64)/.test(stdout) ? ['portable', 'neon'] : ['portable', 'avx2', 'avx512']
}

/** The worst exit code. */
function runAtLevels(compiler, program, args) {
  const levels = name === 'unit' && !process.env.IBT_SIMD ? levelsOf(compiler) : [process.env.IBT_SIMD]
  const [command, ...before] = [...(process.env.RUN_WITH?.split(' ') ?? []), program, ...args]
  const codes = levels.map(level => {
    const env = level === undefined ? process.env : { ...process.env, IBT_SIMD: level }
    return spawnSync(command, before, { stdio: 'inherit', env }).status ?? 1
  })
  return Math.max(...codes)
}

const buildOnly = process.argv[2] === '--build'
const [name, ...args] = process.argv.slice(buildOnly ? 3 : 2)
const compiler = findCompiler()
if (!Object.hasOwn(programs, name ?? '')) {
  process.stderr.write(`Usage: node native/test/run.mjs [--build] ${Object.keys(programs).join('|')}\n`)
  process.exitCode = 2
} else if (compiler === undefined) {
  process.stderr.write('no C++ compiler is installed\n')
  process.exitCode = 77
} else {
  const program = await build(compiler, name)
  if (buildOnly) process.stdout.write(`${program}\n`)
  else process.exitCode = runAtLevels(compiler, program, args)
}
