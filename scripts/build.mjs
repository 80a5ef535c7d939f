// Builds what is stale: the addon if a native source is newer than it, and the TypeScript. Removes what was compiled of
// sources that are gone: it would be packed.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const addon = join(root, 'build/Release/librsync-native.node')

function newest(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(0, ...readdirSync(path).map(name => newest(join(path, name))))
}

function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

const sources = Math.max(newest(join(root, 'native')), newest(join(root, 'binding.gyp')))
if (!existsSync(addon) || statSync(addon).mtimeMs < sources) run('scripts/install.mjs', '--compile')
run('node_modules/typescript/bin/tsc', '-p', '.')

for (const folder of ['src', 'test']) {
  for (const name of readdirSync(join(root, 'dist', folder), { recursive: true }).map(String)) {
    const source = name.replace(/(?:\.js(?:\.map)?|\.d\.ts)$/, '.ts')
    if (source !== name && !existsSync(join(root, folder, source))) rmSync(join(root, 'dist', folder, name))
  }
}
