import { spawnSync } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BackupError } from '../../errors.js'
import { packageRoot } from '../../native/load-addon.js'
import { Exit } from '../exit.js'

const ADDON = 'librsync-native.node'

export interface BuildAddonValues {
  readonly output?: string | undefined
}

/**
 * `ibt build-addon`: compiles the addon for this machine with its C++ compiler. Downloads nothing: the sources and the
 * headers of Node-API are in the package.
 */
export async function runBuildAddon(values: BuildAddonValues): Promise<number> {
  const root = fileURLToPath(packageRoot)
  const output = resolve(values.output ?? join(root, 'build', 'Release', ADDON))
  checkWritable(output)
  const workplace = mkdtempSync(join(tmpdir(), 'ibt-addon-'))
  try {
    compile(sources(root, workplace), output, join(workplace, 'objects'))
  } finally {
    rmSync(workplace, { recursive: true, force: true })
  }
  checkLoads(output)
  const use = values.output === undefined ? '' : `. To use it, set IBT_ADDON=${output}`
  process.stdout.write(`Compiled ${output}${use}\n`)
  return Exit.done
}

/** The folder with build.mjs. No compiler reads the archive in which Yarn may keep the package: sources are copied. */
function sources(root: string, workplace: string): string {
  const native = join(root, 'native')
  // In a clone the headers are packages that have to be found from here.
  if (!existsSync(join(native, 'include'))) return native
  copyFiles(native, join(workplace, 'native'))
  return join(workplace, 'native')
}

function copyFiles(from: string, to: string): void {
  mkdirSync(to)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, copy] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) copyFiles(source, copy)
    else writeFileSync(copy, readFileSync(source))
  }
}

function compile(native: string, output: string, objects: string): void {
  process.stdout.write('Compiling the addon, which takes up to a minute\n')
  const args = [join(native, 'build.mjs'), '--output', output, '--objects', objects]
  // Without the options of Yarn's PnP, which is not needed there.
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit', env: { ...process.env, NODE_OPTIONS: '' } })
  if (status !== 0) throw new BackupError('IBT_NATIVE', 'The addon was not compiled: the lines above say why')
}

function checkWritable(output: string): void {
  try {
    mkdirSync(dirname(output), { recursive: true })
    accessSync(dirname(output), constants.W_OK)
  } catch (cause) {
    const advice = `Name a file of your own: ibt build-addon --output ./${ADDON}, and set IBT_ADDON to its path`
    throw new BackupError('IBT_WRITE_FAILED', `Cannot write ${output}. ${advice}`, { path: output, cause })
  }
}

function checkLoads(output: string): void {
  const { status, stderr } = spawnSync(process.execPath, ['-e', `require(${JSON.stringify(output)})`], {
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '' }
  })
  if (status !== 0) throw new BackupError('IBT_NATIVE', `${output} was compiled, but does not load:\n${stderr}`)
}
