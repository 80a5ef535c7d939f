import type { Command } from 'commander'
import type { LoadedConfig, NamedSource } from '../config/config.js'
import type { CatchUpValues } from './behind.js'

/** What a command takes from the config, where neither an option nor the environment says it. */
export type Configured = Pick<
  NamedSource,
  'store' | 'opaqueNames' | 'cache' | 'codecs' | 'encrypt' | 'localState' | 'signKey' | 'verifyKeys' | 'retention'
>

/** Which config there is, and what of it a command uses. */
export interface ConfigValues {
  /** The file of `--config`; false: none. */
  readonly config?: string | false
  readonly loaded?: LoadedConfig
  readonly configured?: Configured
}

/**
 * Gives a command the config: that of `--config`, else the one of the working directory or above. With a key, it is that of
 * the source of this key.
 *
 * @throws BackupError IBT_CONFIG_INVALID, IBT_CONFIG_UNSAFE
 */
export async function applyConfig(command: Command): Promise<void> {
  const values = command.opts<CatchUpValues & { quiet?: boolean }>()
  const { config, quiet } = values
  if (config === false || !command.options.some(({ long }) => long === '--config')) return
  const { findConfig } = await import('../config/find-config.js')
  const file = config ?? findConfig(process.cwd())
  if (file === undefined) return
  const { loadConfig } = await import('../config/load-config.js')
  const { sayBehind } = await import('./behind.js')
  const loaded = await loadConfig(file, { onBehind: quiet ? undefined : sayBehind(values) })
  command.setOptionValueWithSource('loaded', loaded, 'config')
  const source = loaded.sources.find(({ key }) => key === keyOf(command))
  command.setOptionValueWithSource('configured', source ?? loaded, 'config')
}

/** The key that a command is about, if it is about one. */
function keyOf(command: Command): unknown {
  const isFirst = command.registeredArguments[0]?.name() === 'key'
  return isFirst ? command.processedArgs[0] : command.opts<{ key?: string }>().key
}
