import type { Command } from 'commander'
import type { Rate } from '../flow/rate.js'
import { returnFreedMemory, setJobs } from '../native.js'
import type { PlaceOptions } from '../places/options.js'
import { toStore } from '../places/places.js'
import { rateLimited } from '../stores/decorators/rate-limited.js'
import type { Cipher, Reading } from '../types.js'
import { checkText } from './arguments.js'
import type { ConfigValues } from './config.js'
import { addKeyOptions, type KeyValues, toKeys } from './keys.js'
import { collect, parseCount, parseLimit, parseQuorum } from './parse-values.js'
import type { ReporterOptions } from './reporter.js'
import { readSigningKeys, type SigningValues } from './signing-keys.js'
import { chooseStore, type StoreValues } from './store.js'

/** Where backups are, and how a run talks: what every command takes. */
export interface CommonValues extends ReporterOptions, StoreValues, KeyValues, SigningValues, ConfigValues {
  /** It changes what is signed. */
  readonly signs?: boolean
  readonly cache?: string | false
  readonly jobs?: number
  readonly limitRate?: Rate
}

export function addCommonOptions(command: Command): Command {
  const common = command
    .option(
      '--store <dir|url>',
      'directory or URL of the backups (default: IBT_STORE); repeated: store in each, read from the first that has it',
      collect
    )
    .option(
      '--quorum <n>',
      'of several stores, how many have to store (default: all); with 1 of 2, both still have to be there',
      parseQuorum
    )
    .option('--temporary', 'use a store in the directory for temporary files, which a restart may empty')
    .option(
      '--opaque-names <file>',
      'encrypt names in the store with the secret in this file (see ibt help opaque-names)'
    )
    .option(
      '--cache <dir>',
      'local copies of states and signatures (default: IBT_CACHE, else the user cache directory)'
    )
    .option('--no-cache', 'do not use the cache')
    .option('--config <file>', 'config to use (default: ibt.config.* here or in a directory above)')
    .option('--no-config', 'use no config')
    .option(
      '--verify-key <file>',
      'read only what this public key has signed (default: IBT_VERIFY_KEY; see ibt help signing)'
    )
    .option('--json', 'JSON on stdout, one object a line: the listing, or events and a last line with the exit code')
    .option('--quiet', 'print neither report nor warnings')
    .option('--no-progress', 'print no progress line')
    .option('--jobs <n>', 'number of threads that read, hash and sign', parseCount)
    .option('--limit-rate <rate>', 'bytes per second to the store, and from it: 2M, 500k', parseLimit)
  return addKeyOptions(common)
}

/** Where backups are, and the keys that read them: `encrypt` is for the commands that write. */
export function toPlaceOptions(
  values: CommonValues,
  signal: AbortSignal
): PlaceOptions & { readonly encrypt?: Cipher | undefined } {
  if (values.jobs !== undefined) setJobs(values.jobs)
  returnFreedMemory()
  if (typeof values.cache === 'string') checkText('the cache', values.cache)
  const { configured } = values
  const { cipher, encrypt = configured?.encrypt, localState = configured?.localState } = toKeys(values)
  const codecs = cipher === undefined ? configured?.codecs : [cipher, ...othersThan(cipher, configured?.codecs ?? [])]
  const signing = readSigningKeys(values, values.signs === true)
  const store = storeOf(values)
  const slowed =
    values.limitRate === undefined || store === undefined ? store : rateLimited(toStore(store), values.limitRate)
  return { store: slowed, cache: cacheOf(values), codecs, encrypt, localState, ...signing, signal }
}

/** What is typed is stronger than the config. */
function othersThan({ suffix }: Cipher, readings: readonly Reading[]): readonly Reading[] {
  return readings.filter(reading => reading.suffix !== suffix)
}

/** An option is stronger than the environment, and that than the config. */
function cacheOf({ cache, configured }: CommonValues): PlaceOptions['cache'] {
  return cache ?? (process.env.IBT_CACHE ? undefined : configured?.cache)
}

/** A bundle on stdout builds on what was sent, unless a store is named for it. @throws UsageError */
function storeOf(values: CommonValues & { readonly out?: string }): PlaceOptions['store'] {
  return values.out !== undefined && values.store === undefined ? undefined : chooseStore(values)
}
