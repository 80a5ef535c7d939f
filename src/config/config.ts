import type { IncrementalStages } from '../pipelines/backup-stages.js'
import type { BackupOptions } from '../pipelines/options.js'
import type { SigningKey } from '../places/options.js'
import type { KeepOptions } from '../retention/rules.js'
import type { Cipher, Codec, Reading, Store } from '../types.js'
import type { HooksConfig } from './hook.js'

/** How long the backups of a source are kept: what `ibt prune` does where no rule is typed. */
export interface RetentionConfig extends KeepOptions {
  /** How long a removed backup can come back: `7d`, `36h`, `0`. Default: `GRACE_MS`. */
  readonly grace?: string | undefined
  /** Merge first, so that only what the rules keep stays. */
  readonly merge?: boolean | undefined
  /** Leave the signatures that older backups name. */
  readonly keepSigvaults?: boolean | undefined
}

/** What decides the run itself, or a hook, and no config. */
type OfOneRun =
  | 'store'
  | 'codec'
  | 'date'
  | 'dryRun'
  | 'init'
  | 'onError'
  | 'onProgress'
  | 'readFrom'
  | 'signal'
  | 'unsigned'

/** One source: what is backed up under one key, and how. Either `path` or `paths` is given. */
export interface SourceConfig extends Omit<BackupOptions<IncrementalStages>, OfOneRun> {
  /** A directory or a file, relative to the config's own directory; `~/` is the home directory. */
  readonly path?: string | undefined
  /** Several of them in one backup, each under its absolute path. */
  readonly paths?: readonly string[] | undefined
  /** In the place of the config's. */
  readonly store?: Config['store']
  readonly quorum?: number | undefined
  /** A file with the secret that names in this source's own `store` are encrypted with. */
  readonly opaqueNames?: string | undefined
  /** A codec, or its name with a level: `zstd:9`, `gzip`, `none`. */
  readonly codec?: Codec | string | undefined
  /** Default: that of the config. */
  readonly retention?: RetentionConfig | undefined
  /** Hooks around the backup of this source. */
  readonly hooks?: HooksConfig | undefined
}

/** What a config module exports as its default: `export default defineConfig({ … })`. */
export interface Config {
  /**
   * Where backups are stored: a directory relative to the config's own, a URL, or a store. A list of these: in each of
   * them (`mirror`). `IBT_STORE` is stronger.
   */
  readonly store?: Store | string | readonly (Store | string)[] | undefined
  /** How many of several stores have to store. Default: all. */
  readonly quorum?: number | undefined
  /** A file with the secret that names in this store are encrypted with, relative to the config's own directory. */
  readonly opaqueNames?: string | undefined
  /** Local copies of states and signatures; false: none. `IBT_CACHE` is stronger. */
  readonly cache?: Store | string | false | undefined
  /** Ciphers with a key, and codecs of your own, to read backups with. */
  readonly codecs?: readonly Reading[] | undefined
  /** The sources by name. The name is the key, if the source gives no other. */
  readonly sources?: Readonly<Record<string, SourceConfig>> | undefined
  /** Retention of every source that has none of its own. */
  readonly retention?: RetentionConfig | undefined
  /** Hooks around a run of `ibt backup`, whichever its sources. */
  readonly hooks?: HooksConfig | undefined
}

/** Gives a config its type, so that an editor completes it and a compiler checks it; it changes nothing. */
export function defineConfig(config: Config): Config {
  return config
}

/** A source of a config that was checked: paths are absolute, defaults are filled in. */
export interface NamedSource {
  readonly name: string
  readonly key: string
  /** What is recorded as the root. */
  readonly root: string
  readonly options: BackupOptions<IncrementalStages>
  readonly store: Store | string | undefined
  /** The file with the secret of the names in `store`. */
  readonly opaqueNames: string | undefined
  readonly cache: Store | string | false | undefined
  readonly codecs: readonly Reading[] | undefined
  /** For what is merged, too. */
  readonly encrypt?: Cipher | undefined
  readonly localState?: Store | string | undefined
  readonly signKey?: SigningKey | undefined
  readonly verifyKeys?: readonly SigningKey[] | undefined
  readonly retention: RetentionConfig | undefined
  readonly hooks: HooksConfig
}

/** A config that was read and checked. */
export interface LoadedConfig
  extends Pick<
    NamedSource,
    'store' | 'opaqueNames' | 'cache' | 'codecs' | 'encrypt' | 'localState' | 'retention' | 'hooks'
  > {
  readonly file: string
  readonly sources: readonly NamedSource[]
}
