// Packs the package, installs it in another project, and uses it there: types, every subpath, the command line.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const project = mkdtempSync(join(tmpdir(), 'packed package '))

function run(command, ...args) {
  return execFileSync(command, args, { cwd: project, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}

try {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', project], { cwd: root, encoding: 'utf8' })
  )
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'smoke', private: true, type: 'module' }))
  run('npm', 'install', '--no-audit', '--no-fund', join(project, packed.filename))

  const subpaths = Object.keys(exports).filter(subpath => !subpath.endsWith('.json'))
  const imports = subpaths.map((subpath, i) => `import * as m${i} from '${join(name, subpath)}'`)
  const script = [
    ...imports,
    `if (![${subpaths.map((_, i) => `m${i}`)}].every(m => Object.keys(m).length > 0)) throw new Error('an empty subpath')`,
    `const report = await m0.fullBackup('src', { store: 'store', cache: false })`,
    `const restored = await m0.restoreBackup(report.key, 'restored', { store: 'store', cache: false })`,
    `console.log(JSON.stringify({ key: report.key, files: restored.files }))`
  ].join('\n')
  writeFileSync(join(project, 'smoke.mjs'), script)
  writeFileSync(join(project, 'smoke.mts'), script)
  run('mkdir', 'src')
  writeFileSync(join(project, 'src', 'a file'), 'content')
  const answer = JSON.parse(run(process.execPath, 'smoke.mjs'))
  if (answer.key !== 'src' || answer.files !== 1) throw new Error(`Unexpected answer ${JSON.stringify(answer)}`)

  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const types = join(root, 'node_modules/@types')
  run(
    process.execPath,
    tsc,
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--typeRoots',
    types,
    '--types',
    'node',
    'smoke.mts'
  )

  const help = run('npx', 'ibt', '--help')
  if (!help.includes('incremental')) throw new Error('npx ibt --help does not tell its commands')
  console.log(
    `Packed: ${packed.filename}, ${packed.entryCount} files, ${packed.size} bytes. Installed, typed, imported, run.`
  )
} finally {
  rmSync(project, { recursive: true, force: true })
}
