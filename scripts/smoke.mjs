// Packs the package as it is published, installs it with every package manager, and uses it under every Node and Bun:
// a backup and a restore by the command line and by a program, from CommonJS, in a worker, in a bundle; and streams of all
// makes, with the tests of this repository. Each package manager and each Node has one turn. `npm run smoke`; tools of about 400 MB come from the npm registry into a temporary
// directory. What cannot be had is said, and fails with REQUIRE_ORACLES=1.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pack } from './pack.mjs'
import { ADDON_FILE, binaryOf, hostPlatform, packageOf, published, root } from './platforms.mjs'
import { prebuild } from './prebuild.mjs'
import { Desk } from './smoke/desk.mjs'
import { serveRegistry } from './smoke/registry.mjs'
import { getNode, getTool, install, NODES } from './smoke/tools.mjs'

const NAME = 'incremental-backups-tools'
const desk = new Desk()
process.on('exit', () => desk.remove())
const { main, registry } = await publish()
const dependencies = { [NAME]: `file:${main}` }
const nodes = new Map(NODES.map(major => [major, getNode(desk.at('tools'), major)]).filter(([, path]) => path))
// Package managers of today want a Node of today.
desk.addPath(dirname(nodes.get('24') ?? process.execPath))

await withTool('npm', 'npm', async npm => {
  await desk.attempt('npm 12 installs globally, and the command backs up and restores', async () => {
    await desk.run(npm, ['install', '--global', '--prefix', desk.at('global'), main])
    await desk.useCommand([desk.at('global/bin/ibt')])
  })
  const project = desk.makeProject('npm', { dependencies })
  await desk.attempt('npm 12 installs into a project', () => desk.run(npm, ['install'], { cwd: project }))
  for (const [major, node] of nodes) {
    await desk.attempt(`Node ${major}: the command, a program, CommonJS, a worker`, async () => {
      await desk.useCommand([node, join(project, 'node_modules', NAME, 'bin/ibt.cjs')])
      await desk.usePrograms([node], project)
    })
    await desk.attempt(`Node ${major}: the matrix of streams`, () =>
      desk.run(node, ['--test', 'dist/test/interop/matrix.test.js'], { cwd: root })
    )
  }
  await desk.attempt('TypeScript finds the types of every subpath', () => checkTypes(project))
  await withTool('esbuild', 'esbuild', esbuild => tryBundles(esbuild, project))
  await tryWithoutBinary(npm)
})

await withTool('pnpm', 'pnpm', async pnpm => {
  const project = desk.makeProject('pnpm', { dependencies })
  await desk.attempt('pnpm installs into a project', async () => {
    await desk.run(pnpm, ['install'], { cwd: project })
    await desk.useCommand([pnpm, 'exec', 'ibt'], project)
    await desk.usePrograms(['node'], project)
  })
  await desk.attempt('pnpm installs globally', async () => {
    const home = desk.at('pnpm-home')
    mkdirSync(join(home, 'bin'), { recursive: true })
    desk.addPath(home)
    desk.addPath(join(home, 'bin'))
    const env = { PNPM_HOME: home }
    await desk.run(pnpm, ['add', '--global', main], { env })
    const bin = (await desk.run(pnpm, ['bin', '--global'], { env })).trim().split('\n').at(-1)
    await desk.useCommand([join(bin, 'ibt')])
  })
})

await withTool('yarn', 'yarn', async yarn => {
  const project = desk.makeProject('yarn-classic', { dependencies })
  await desk.attempt('Yarn 1 installs into a project', async () => {
    await desk.run(yarn, ['install', '--non-interactive'], { cwd: project })
    await desk.useCommand([yarn, '--silent', 'ibt'], project)
    await desk.usePrograms(['node'], project)
  })
  await desk.attempt('Yarn 1 installs globally', async () => {
    const folders = ['--global-folder', desk.at('yarn-global'), '--prefix', desk.at('yarn-prefix')]
    await desk.run(yarn, ['global', 'add', '--non-interactive', ...folders, `file:${main}`])
    await desk.useCommand([desk.at('yarn-prefix/bin/ibt')])
  })
})

await withTool('@yarnpkg/cli-dist', 'yarn', async yarn => {
  for (const linker of ['node-modules', 'pnp']) {
    const project = desk.makeProject(`yarn-${linker}`, { dependencies })
    writeFileSync(
      join(project, '.yarnrc.yml'),
      [
        `nodeLinker: ${linker}`,
        'enableImmutableInstalls: false',
        // It refuses what was published a moment ago.
        'npmMinimalAgeGate: 0',
        'unsafeHttpWhitelist: ["127.0.0.1"]',
        `npmScopes: { ${packageOf('').slice(1, -1)}: { npmRegistryServer: "${registry.url.slice(0, -1)}" } }`
      ].join('\n')
    )
    writeFileSync(join(project, 'yarn.lock'), '')
    await desk.attempt(`Yarn 4 with ${linker} installs into a project`, async () => {
      await desk.run(yarn, ['install'], { cwd: project })
      await desk.useCommand([yarn, 'ibt'], project)
      await desk.usePrograms([yarn, 'node'], project)
    })
  }
})

await withTool('bun', 'bun', async bun => {
  const project = desk.makeProject('bun', { dependencies })
  await desk.attempt('Bun installs into a project, and runs the command and a program', async () => {
    await desk.run(bun, ['install'], { cwd: project })
    await desk.useCommand([bun, join(project, 'node_modules', NAME, 'bin/ibt.cjs')])
    await desk.usePrograms([bun], project, ['program.mjs', 'worker.mjs'])
  })
  await desk.attempt('Bun: the tests of streams of all makes', () =>
    desk.run(bun, ['test', '--timeout', '120000', './dist/test/interop/'], { cwd: root })
  )
})

await tryDuckDB()

registry.close()
console.log(desk.failures === 0 ? 'Everything works as it was packed.' : `${desk.failures} of these failed.`)
process.exitCode = desk.failures === 0 ? 0 : 1

/** Packs the package and the platforms that can be compiled here, and serves the latter. */
async function publish() {
  const platforms = published.filter(platform => {
    try {
      prebuild(platform)
      return true
    } catch (error) {
      missing(error.message)
      return false
    }
  })
  const tarballs = pack(desk.at('packed'), platforms)
  for (const { filename, entryCount, size } of Object.values(tarballs))
    console.log(`packed  ${filename}: ${entryCount} files, ${size} bytes`)
  const served = await serveRegistry(tarballs)
  writeFileSync(desk.at('home/.npmrc'), `${packageOf('').slice(0, -1)}:registry=${served.url}\n`)
  return { main: tarballs.main.path, registry: served }
}

async function withTool(name, program, use) {
  const path = getTool(desk.at('tools'), name, program)
  if (path === undefined) missing(name)
  else await use(path)
}

function missing(what) {
  console.log(`missing ${what}`)
  if (process.env.REQUIRE_ORACLES === '1') desk.failures++
}

async function checkTypes(project) {
  const imports = [
    '',
    '/stages',
    '/stores',
    '/stores/http',
    '/stores/s3',
    '/stores/sftp',
    '/stores/webdav',
    '/interop',
    '/native'
  ].map((subpath, i) => `import * as m${i} from '${NAME}${subpath}'\nvoid m${i}`)
  const use = `const report = await m0.fullBackup('src')\nconst key: string = report.key\nvoid key`
  writeFileSync(join(project, 'types.mts'), [...imports, use].join('\n'))
  const types = ['--typeRoots', join(root, 'node_modules/@types'), '--types', 'node']
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', ...types]
  await desk.run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...options, 'types.mts'], {
    cwd: project
  })
}

/** A bundle beside node_modules, and one that was moved away from it with the addon. */
async function tryBundles(esbuild, project) {
  for (const [format, name] of [
    ['esm', 'bundle.mjs'],
    ['cjs', 'bundle.cjs']
  ]) {
    await desk.attempt(`A bundle (${format}) works beside node_modules, and elsewhere with the addon`, async () => {
      // tar-stream is CommonJS. The line that docs/native.md gives.
      const require = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
      const options = ['--bundle', '--platform=node', `--format=${format}`, '--log-level=error', `--outfile=${name}`]
      if (format === 'esm') options.push(`--banner:js=${require}`)
      await desk.run(esbuild, ['program.mjs', ...options], { cwd: project })
      await desk.usePrograms(['node'], project, [name])
      const elsewhere = desk.at(`bundle-${format}`)
      mkdirSync(elsewhere)
      copyFileSync(join(project, name), join(elsewhere, name))
      copyFileSync(binaryOf(hostPlatform()), join(elsewhere, ADDON_FILE))
      await desk.usePrograms(['node'], elsewhere, [name])
    })
  }
}

/** What the error says to do, and the compilation. */
async function tryWithoutBinary(npm) {
  const project = desk.makeProject('without-binary', { dependencies })
  const ibt = ['node', join(project, 'node_modules', NAME, 'bin/ibt.cjs')]
  await desk.attempt('Without optional dependencies the error names a command, and that command helps', async () => {
    await desk.run(npm, ['install', '--omit=optional'], { cwd: project })
    const error = await desk.run(ibt[0], [ibt[1], 'signature', 'program.mjs', 'x'], { cwd: project, expected: 1 })
    const command = /npm: +npm (install \S+)/.exec(error)?.[1]
    if (command === undefined) throw new Error(`No command in\n${error}`)
    await desk.run(npm, command.split(' '), { cwd: project })
    await desk.useCommand(ibt)
  })
  await desk.attempt('ibt build-addon compiles the addon of an installed package', async () => {
    const addon = join(project, 'own.node')
    await desk.run(ibt[0], [ibt[1], 'build-addon', '--output', addon], { cwd: project })
    await desk.useCommand(ibt, project, { IBT_ADDON: addon })
  })
}

/** Tables that `ibt` writes, read by DuckDB. */
async function tryDuckDB() {
  const directory = install(desk.at('tools'), '@duckdb/node-api')
  if (directory === undefined) return missing('DuckDB')
  await desk.attempt('DuckDB reads what catalog and ls write', async () => {
    const source = join(directory, 'source')
    mkdirSync(source)
    for (const name of ["it's", 'new\nline', '"quoted", with a comma', 'ü']) writeFileSync(join(source, name), name)
    const cli = join(root, 'bin/ibt.cjs')
    const ibt = (...args) =>
      desk.run(process.execPath, [cli, ...args], { cwd: directory, env: { IBT_STORE: 'store', IBT_CACHE: 'cache' } })
    await ibt('backup', source)
    const files = {
      'catalog.sql': ['catalog'],
      'ls.csv': ['ls', 'source', '--format', 'csv'],
      'ls.json': ['ls', 'source', '--json']
    }
    for (const [name, args] of Object.entries(files)) writeFileSync(join(directory, name), await ibt(...args))
    copyFileSync(join(root, 'scripts/smoke/duckdb.mjs'), join(directory, 'duckdb.mjs'))
    const counts = await desk.run(process.execPath, ['duckdb.mjs', ...Object.keys(files)], { cwd: directory })
    if (counts.trim() !== '4 4 4 4') throw new Error(`Of four files it sees ${counts}`)
  })
}
