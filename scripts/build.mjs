// Builds what is stale: the addon, the TypeScript and the man page. Removes what was compiled of
// sources that are gone: it would be packed. Then makes one file of the modules that
// each command needs, in dist/src/ibt: Node takes a third of a short run to load them
// one by one.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
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

run('scripts/man.mjs')

const program = join(root, 'dist/src/ibt')
const main = join(root, 'dist/src/cli/main.js')
rmSync(program, { recursive: true, force: true })
const esbuild = await import('esbuild').catch(() => undefined)
if (esbuild === undefined) {
  console.warn('esbuild is not installed: ibt loads its modules one by one')
  mkdirSync(program)
  writeFileSync(join(program, 'main.js'), "export * from '../cli/main.js'\n")
} else {
  const options = { bundle: true, splitting: true, packages: 'external', logLevel: 'warning' }
  const target = { platform: 'node', format: 'esm', target: 'node20', outdir: program }
  await esbuild.build({ entryPoints: [main], ...options, ...target })
}
