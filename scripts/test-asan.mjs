// Runs the addon's compiled tests, or those whose names hold one of the arguments, with the addon under the address and
// undefined-behaviour sanitizers: `npm run build && npm run test:asan`. Needs GCC and its libasan. Leaks are not looked
// for: Node leaves some.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const addon = join(root, 'node_modules/.cache/asan/librsync-native.node')
const wanted = process.argv.slice(2)

function run(command, args, options) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit', ...options })
  if (error !== undefined) console.error(`Cannot run ${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

const libraryOf = name => spawnSync('gcc', [`-print-file-name=${name}`], { encoding: 'utf8' }).stdout?.trim()

const sanitizers = '-fsanitize=address,undefined -fno-sanitize=vptr'
const flags = { CXX: 'g++', CXXFLAGS: `${sanitizers} -fno-omit-frame-pointer -g1`, LDFLAGS: sanitizers }
run(process.execPath, [join(root, 'native/build.mjs'), '--output', addon], { env: { ...process.env, ...flags } })

const folder = 'dist/test/native'
// The engine's own programs have sanitizers of their own, and take no other.
const tests = readdirSync(join(root, folder))
  .filter(name => name.endsWith('.test.js') && !name.startsWith('engine'))
  .filter(name => wanted.length === 0 || wanted.some(word => name.includes(word)))
run(process.execPath, ['--expose-gc', '--test', ...tests.map(name => join(folder, name))], {
  cwd: root,
  env: {
    ...process.env,
    IBT_ADDON: addon,
    LD_PRELOAD: `${libraryOf('libasan.so')} ${libraryOf('libubsan.so')}`,
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1'
  }
})
