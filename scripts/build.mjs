// Builds what is stale: the addon and the TypeScript. Removes what was compiled of
// sources that are gone: it would be packed.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

run('native/build.mjs')
run('node_modules/typescript/bin/tsc', '-p', '.')

for (const folder of ['src', 'test']) {
  for (const name of readdirSync(join(root, 'dist', folder), { recursive: true }).map(String)) {
    const source = name.replace(/(?:\.js(?:\.map)?|\.d\.ts)$/, '.ts')
    if (source !== name && !existsSync(join(root, folder, source))) rmSync(join(root, 'dist', folder, name))
  }
}
