// Runs the compiled tests: all of them, or those whose names hold one of the arguments. `--node-dependent` takes those that
// could differ between versions of Node: the addon, compression, streams, the command line. `--tap` prints TAP.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative } from 'node:path'
import { root } from './platforms.mjs'

/** What depends on Node itself: its ABI, zlib, streams, file system, processes and errors. */
const NODE_DEPENDENT = [
  'native/',
  'codec/',
  'interop/',
  'cli/',
  'stores/',
  'flow/',
  'stages/write',
  'pipelines/roundtrip'
]

/** C++ programs, which no Node runs. */
const ENGINE = 'native/engine'

const args = process.argv.slice(2)
const options = args.filter(arg => arg.startsWith('--'))
const words = args.filter(arg => !arg.startsWith('--'))
const isNodeDependent = name => NODE_DEPENDENT.some(word => name.includes(word)) && !name.includes(ENGINE)
const compiled = join(root, 'dist/test')
const files = readdirSync(compiled, { recursive: true })
  .map(String)
  .filter(name => name.endsWith('.test.js') && existsSync(join(root, 'test', name.replace(/js$/, 'ts'))))
  .filter(name => words.length === 0 || words.some(word => name.includes(word)))
  .filter(name => !options.includes('--node-dependent') || isNodeDependent(name))
  .map(name => relative(root, join(compiled, name)))
  .sort()
if (files.length === 0) {
  console.error(`No test matches ${args.join(' ')}`)
  process.exit(1)
}
const reporter = options.includes('--tap') ? 'tap' : './scripts/reporter.mjs'
const { status } = spawnSync(
  process.execPath,
  [
    ...['--enable-source-maps', '--expose-gc', '--test'],
    // Node's own default leaves a processor idle.
    `--test-concurrency=${availableParallelism()}`,
    ...[`--test-reporter=${reporter}`, '--test-reporter-destination=stdout'],
    ...files
  ],
  // Memory that was given back is overwritten: who still looks at it fails.
  { cwd: root, stdio: 'inherit', env: { IBT_POISON: '1', ...process.env } }
)
process.exit(status ?? 1)
