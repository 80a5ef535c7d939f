// Runs the compiled tests: all of them, or those whose names hold one of the arguments. `--node-dependent` takes those that
// could differ between versions of Node: the addon, compression, streams, the command line. `--tap` prints TAP.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { run } from 'node:test'
import { tap } from 'node:test/reporters'
import { root } from './platforms.mjs'
import report from './reporter.mjs'

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

/** What takes longest comes first: no processor has nothing to do while the last file runs. */
const LONGEST = [
  ENGINE,
  ...['pipelines/property', 'pipelines/upkeep/merge', 'docs', 'crash', 'examples', 'pipelines/backup/batches'],
  ...['cli/output', 'api', 'compat', 'by-hand', 'pipelines/types', 'cli/', 'stores/']
]

/** A file that hangs fails by its name; what takes longest takes a tenth of it. */
const FILE_TIMEOUT_MS = 15 * 60_000

// The processes of the test files get the flags of this one.
const FLAGS = ['--enable-source-maps', '--expose-gc']
if (!FLAGS.every(flag => process.execArgv.includes(flag))) {
  const again = [...FLAGS, ...process.execArgv, ...process.argv.slice(1)]
  process.exit(spawnSync(process.execPath, again, { cwd: root, stdio: 'inherit' }).status ?? 1)
}

const args = process.argv.slice(2)
const options = args.filter(arg => arg.startsWith('--'))
const words = args.filter(arg => !arg.startsWith('--'))
const isNodeDependent = name => NODE_DEPENDENT.some(word => name.includes(word)) && !name.includes(ENGINE)
const rankOf = name => {
  const rank = LONGEST.findIndex(word => name.startsWith(word))
  return rank < 0 ? LONGEST.length : rank
}
const compiled = join(root, 'dist/test')
const files = readdirSync(compiled, { recursive: true })
  .map(String)
  .filter(name => name.endsWith('.test.js') && existsSync(join(root, 'test', name.replace(/js$/, 'ts'))))
  .filter(name => words.length === 0 || words.some(word => name.includes(word)))
  .filter(name => !options.includes('--node-dependent') || isNodeDependent(name))
  .sort((a, b) => rankOf(a) - rankOf(b) || (a < b ? -1 : 1))
  .map(name => join(compiled, name))
if (files.length === 0) {
  console.error(`No test matches ${args.join(' ')}`)
  process.exit(1)
}
// Memory that was given back is overwritten: who still looks at it fails.
process.env.IBT_POISON ??= '1'
// `node --test` would sort the files. One more than there are processors: some wait for a disk, a clock or another process.
const events = run({ files, concurrency: availableParallelism() + 1, timeout: FILE_TIMEOUT_MS })
events.on('test:fail', () => {
  process.exitCode = 1
})
events.compose(options.includes('--tap') ? tap : report).pipe(process.stdout)
