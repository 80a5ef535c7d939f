// Builds what is stale: the addon, the TypeScript and the man page. Removes what was compiled of
// sources that are gone: it would be packed. Then makes one file of all modules of ibt, in
// dist/src/ibt, and a small one for the commands of rdiff: Node takes half of a short run to
// load them one by one.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
function run(...args) {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

/** Modules of Node are loaded when the first module of ours that needs them runs: all at once they take 20 ms. */
const nodeOnUse = {
  name: 'node-on-use',
  setup(build) {
    build.onResolve({ filter: /^node:/ }, ({ path }) => ({ path, namespace: 'node' }))
    build.onLoad({ filter: /./, namespace: 'node' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('${path}')`
    }))
  }
}

/** What the packages in a bundle want to be said of them. */
function licensesOf(inputs) {
  const folders = new Set(inputs.flatMap(path => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  const notices = [...folders].sort().map(folder => {
    const { name, version, license, author } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'))
    const file = readdirSync(join(root, folder)).find(entry => /^licen[cs]e/i.test(entry))
    const text = file === undefined ? '' : readFileSync(join(root, folder, file), 'utf8')
    return `${name} ${version}, ${license}, ${author?.name ?? author ?? ''}\n\n${text}`
  })
  return notices.join(`\n${'-'.repeat(80)}\n\n`)
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
rmSync(program, { recursive: true, force: true })
mkdirSync(program)
const esbuild = await import('esbuild').catch(() => undefined)
if (esbuild === undefined) {
  console.warn('esbuild is not installed: ibt loads its modules one by one')
  for (const name of ['main.js', 'rdiff.js']) writeFileSync(join(program, name), "export * from '../cli/main.js'\n")
} else {
  const { dependencies, peerDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  // Native code, what only few runs load, and peers stay outside; the others are a few small files each.
  const inside = ['commander', 'ignore', 'it-pipe']
  const external = Object.keys({ ...dependencies, ...peerDependencies }).filter(name => !inside.includes(name))
  const bundle = async (name, more) => {
    const files = { entryPoints: [join(root, 'dist/src/cli/main.js')], outfile: join(program, name) }
    const target = { platform: 'node', format: 'esm', target: 'node20', plugins: [nodeOnUse] }
    const options = { bundle: true, metafile: true, legalComments: 'none', logLevel: 'warning', absWorkingDir: root }
    return (await esbuild.build({ ...files, ...target, ...options, ...more })).metafile
  }
  const { inputs } = await bundle('main.js', { external })
  await bundle('rdiff.js', { external: [...external, './program.js', './completion/complete.js'] })
  writeFileSync(join(program, 'LICENSES.txt'), licensesOf(Object.keys(inputs)))
}
