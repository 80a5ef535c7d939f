// Builds the addon unless a prebuilt one works; with --compile, always.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Loads it in another process: a binary for another C library may crash. */
function worksPrebuilt() {
  const load = 'require("node-gyp-build")(process.cwd())'
  const env = { ...process.env, PREBUILDS_ONLY: '1' }
  return (
    existsSync(join(root, 'prebuilds')) && spawnSync(process.execPath, ['-e', load], { cwd: root, env }).status === 0
  )
}

function compile() {
  const prefix = dirname(dirname(process.execPath))
  const args = ['rebuild', '--jobs=max']
  if (existsSync(join(prefix, 'include/node/node_api.h'))) args.push(`--nodedir=${prefix}`)
  const scripts = [process.env.npm_config_node_gyp, join(root, 'node_modules/node-gyp/bin/node-gyp.js')]
  const script = scripts.find(path => path !== undefined && path !== '' && existsSync(path))
  const command = script === undefined ? ['node-gyp', args] : [process.execPath, [script, ...args]]
  const { status, error } = spawnSync(...command, { cwd: root, stdio: 'inherit' })
  if (error !== undefined) console.error(`Cannot run node-gyp: ${error.message}`)
  return status ?? 1
}

if (process.argv.includes('--compile') || !worksPrebuilt()) process.exit(compile())
