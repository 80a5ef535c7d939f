// What the package is tried with: package managers, versions of Node, Bun and a bundler, from the npm registry, in a
// temporary directory.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'

const VERSIONS = {
  npm: '12.2.1',
  pnpm: '12.21.0',
  yarn: '1.22.22',
  '@yarnpkg/cli-dist': '4.18.1',
  esbuild: '0.28.2',
  bun: '1.4.5',
  '@duckdb/node-api': '1.5.6-r.1'
}
export const NODES = ['20', '22', '24', '26']

const ARM_MAC = process.platform === 'darwin' && process.arch === 'arm64'
/** The package `node` gets its binary from this one by a script, which npm 12 does not run. */
const nodePackage = `${ARM_MAC ? 'node-bin' : 'node'}-${process.platform}-${process.arch}`

/** Installs a package, in the version above, into a directory of its own. Returns the directory; undefined, with a line on why, if it fails. */
export function install(tools, name, version = VERSIONS[name]) {
  const directory = join(tools, `${name.replace(/\W+/g, '-')}-${version}`)
  mkdirSync(directory, { recursive: true })
  const args = ['install', '--prefix', directory, '--no-audit', '--no-fund', `${name}@${version}`]
  const { status, stderr } = spawnSync('npm', args, { cwd: tools, encoding: 'utf8' })
  if (status === 0) return directory
  console.log(`  not to be had: ${name}@${version}: ${stderr.trim().split('\n').at(-1)}`)
  return undefined
}

/** The path of a tool's program, or undefined. */
export function getTool(tools, name, program = name) {
  const directory = install(tools, name)
  return directory && join(directory, 'node_modules/.bin', program)
}

/** The path of a Node of this major version, or undefined. */
export function getNode(tools, major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const directory = install(tools, nodePackage, major)
  const path = directory && join(directory, 'node_modules', nodePackage, 'bin/node')
  return path !== undefined && existsSync(path) ? path : undefined
}
