import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BackupReport } from '../../src/index.js'
import type { NaiveChain } from './chain.js'
import { run } from './judges.js'

/**
 * Compiles a library that makes calls fail, for LD_PRELOAD, in the directory. `faults.c` says which system calls, and
 * `native-faults.c` which of the addon's.
 */
export function makeFaultLibrary(directory: string, name: 'faults' | 'native-faults' = 'faults'): string {
  const library = join(directory, `${name}.so`)
  const source = fileURLToPath(new URL(`../../../test/helpers/${name}.c`, import.meta.url))
  if (!existsSync(library)) run('cc', ['-shared', '-fPIC', '-fexceptions', '-O1', '-o', library, source, '-ldl'])
  return library
}

const BACKUP = `
  import { fullBackup, incrementalBackup } from ${JSON.stringify(import.meta.resolve('../../src/index.js'))}
  const [kind, source, store] = process.argv.slice(1)
  const errors = []
  const options = { store, cache: false, key: 'key', onError: ({ code, path }) => errors.push([path, code]) }
  const report = await (kind === 'full' ? fullBackup : incrementalBackup)(source, options)
  console.log(JSON.stringify({ report, errors }))
`

/** A backup that meets the faults which the names of its files ask for. */
export function backupWithFaults(
  chain: NaiveChain,
  kind: 'full' | 'incremental'
): { readonly report: BackupReport; readonly errors: readonly (readonly [path: string, code: string])[] } {
  return runWithFaults(chain.base, BACKUP, kind, chain.source, chain.storePath)
}

/** What a module that meets those faults prints as JSON. The library is made in the directory. */
export function runWithFaults<T>(directory: string, script: string, ...args: string[]): T {
  // Behind those of the sanitizers, which have to come first.
  const preloaded = [process.env.LD_PRELOAD, makeFaultLibrary(directory)].filter(Boolean).join(' ')
  const env = { ...process.env, LD_PRELOAD: preloaded }
  const all = ['--input-type=module', '-e', script, ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`The script ended with ${status}: ${stderr}`)
  return JSON.parse(stdout)
}
