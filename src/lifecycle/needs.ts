import { BackupError, isBackupError } from '../errors.js'
import type { Chain } from '../stores/chain.js'
import type { Kind } from '../types.js'

/** Names an artifact of a key, whatever its suffixes: a person may have compressed it again. */
export type ArtifactId = `${Kind} ${string}`

export function artifactId({ kind, date }: { readonly kind: Kind; readonly date: string }): ArtifactId {
  return `${kind} ${date}`
}

/** What a backup needs, or why nobody knows. */
export interface BackupNeeds {
  /** What a restore reads: archives, the own state, and those of merges. */
  readonly restore: readonly ArtifactId[]
  /** What the next incremental would read, if this were the newest. */
  readonly signatures: readonly ArtifactId[]
  readonly error?: undefined
}

export interface UnknownNeeds {
  readonly error: BackupError
}

/** States that are read at the same time: a store over a network answers slowly. */
const READS = 8

/**
 * Reads what backups need, of each state both ends: its entries are not read.
 * Memory: one reference for each artifact that each backup needs.
 */
export class Needs {
  readonly #ids = new Map<string, ArtifactId>()
  readonly #known = new Map<string, BackupNeeds>()

  /**
   * What the backups of some dates need; of one whose state is damaged, the error.
   *
   * @throws BackupError for a state that cannot be judged here and now: IBT_STATE_VERSION, IBT_CODEC_UNKNOWN, what the
   * store throws.
   */
  async of(chain: Chain, dates: readonly string[]): Promise<ReadonlyMap<string, BackupNeeds | UnknownNeeds>> {
    const found = new Map<string, BackupNeeds | UnknownNeeds>()
    for (let at = 0; at < dates.length; at += READS) {
      const some = dates.slice(at, at + READS)
      const needs = await Promise.all(some.map(date => this.#read(chain, date).catch(asUnknown(chain, date))))
      for (const [i, date] of some.entries()) found.set(date, needs[i]!)
    }
    return found
  }

  async #read(chain: Chain, date: string): Promise<BackupNeeds> {
    const known = this.#known.get(date)
    if (known !== undefined) return known
    chain.options.signal?.throwIfAborted()
    const artifacts = await chain.needs(date)
    const ids = (wanted: boolean) =>
      artifacts.filter(({ kind }) => (kind === 'sigvault') === wanted).map(one => this.#share(artifactId(one)))
    const needs = { restore: ids(false), signatures: ids(true) }
    this.#known.set(date, needs)
    return needs
  }

  #share(id: ArtifactId): ArtifactId {
    const shared = this.#ids.get(id) ?? id
    this.#ids.set(shared, shared)
    return shared
  }
}

/** Only what is wrong with the bytes themselves is a fact about the backup. */
const NOT_DAMAGE: ReadonlySet<string> = new Set([
  ...['IBT_STATE_VERSION', 'IBT_CODEC_UNKNOWN', 'IBT_STORE_FAILED', 'IBT_NOT_FOUND', 'IBT_BASIS_MISSING', 'IBT_NATIVE']
])

function asUnknown(chain: Chain, date: string) {
  return (error: unknown): UnknownNeeds => {
    chain.options.signal?.throwIfAborted()
    if (!isBackupError(error)) throw error
    const { code, message } = error
    const told = `What the backup of ${chain.key} of ${date} needs is not known: ${message}`
    const unknown = new BackupError(code, told, { path: error.path ?? chain.key, cause: error.cause })
    if (NOT_DAMAGE.has(code)) throw unknown
    return { error: unknown }
  }
}
