// Runs the compiled tests: all of them, or those whose names hold one of the arguments.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const wanted = process.argv.slice(2)
const compiled = join(root, 'dist/test')
const files = readdirSync(compiled, { recursive: true })
  .map(String)
  .filter(name => name.endsWith('.test.js') && existsSync(join(root, 'test', name.replace(/js$/, 'ts'))))
  .filter(name => wanted.length === 0 || wanted.some(word => name.includes(word)))
  .map(name => relative(root, join(compiled, name)))
  .sort()
if (files.length === 0) {
  console.error(`No test matches ${wanted.join(' ')}`)
  process.exit(1)
}
const { status } = spawnSync(process.execPath, ['--enable-source-maps', '--expose-gc', '--test', ...files], {
  cwd: root,
  stdio: 'inherit'
})
process.exit(status ?? 1)
