import type { Command } from 'commander'
import { parseCodec } from '../codec/index.js'
import type { Rate } from '../flow/rate.js'
import { parseRate } from '../flow/rate-text.js'
import { type NodeWritable, toNodeWritable } from '../interop/node.js'
import { returnFreedMemory, setJobs } from '../native.js'
import type { BackupOptions } from '../pipelines/options.js'
import type { PlaceOptions } from '../places/options.js'
import { toStore } from '../places/places.js'
import { limitRate } from '../stages/limit-rate.js'
import { rateLimited } from '../stores/decorators/rate-limited.js'
import type { Cipher, Codec, Reading, Sink } from '../types.js'
import { checkText } from './arguments.js'
import type { ConfigValues } from './config.js'
import type { EndValues } from './each-source.js'
import { UsageError } from './exit.js'
import { parseSize } from './format.js'
import { addEncryptOptions, addKeyOptions, type KeyValues, toKeys } from './keys.js'
import type { NamesValues } from './names.js'
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

/** What of a source is looked at, and how. */
export interface SourceValues extends CommonValues {
  readonly exclude?: readonly string[]
  readonly ignoreFile?: readonly string[]
  readonly excludeIfPresent?: readonly string[]
  readonly excludeCaches?: boolean
  readonly excludeLargerThan?: number
  readonly oneFileSystem?: boolean
  readonly compare?: readonly Fact[]
  readonly checksum?: boolean
}

/** What a command that makes a backup takes. */
export interface BackupValues extends SourceValues, NamesValues, EndValues {
  readonly key?: string
  readonly filesFrom?: string
  readonly null?: boolean
  readonly allowEmptyFilesFrom?: boolean
  readonly compress?: Codec
  readonly allowShrink?: boolean
  readonly dryRun?: boolean
  readonly skipUnchanged?: boolean
  readonly allowSourceMismatch?: boolean
  readonly sourceId?: string
  readonly deleteOldSigvaults?: boolean
  readonly init?: boolean
  readonly sort?: 'spool'
  readonly stripComponents?: number
  readonly lockWait?: number
  readonly out?: string
  readonly volumeSize?: number
  readonly maxChain?: number
  readonly maxRestoreRatio?: number
  readonly merge?: boolean
  /** Of `ibt send`. */
  readonly full?: boolean
  readonly toCommand?: string
  readonly checkpoint?: number
  readonly tree?: boolean
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

export function addVolumeSize(command: Command): Command {
  return command.option('--volume-size <size>', 'bytes of a volume, at most (default: 8M)', parsePieceBytes)
}

/** A backup that is sent and not stored. */
export function addOut(command: Command): Command {
  const out = command.option(
    '--out <target>',
    '-: write a bundle to stdout and not into a store (see ibt help bundles)'
  )
  return addVolumeSize(out)
}

/** Options of what is left out of a source, and what of it is read. */
export function addSourceOptions(command: Command): Command {
  return command
    .option('--exclude <pattern>', 'exclude entries that match, as in an ignore file; may be repeated', collect)
    .option(
      '--ignore-file <name>',
      'name of ignore files in the source, like .gitignore; may be repeated (default: .exclude)',
      collect
    )
    .option(
      '--exclude-if-present <name>',
      'exclude everything else in directories with an entry of this name; may be repeated',
      collect
    )
    .option('--exclude-caches', 'exclude everything else in directories with a valid CACHEDIR.TAG')
    .option('--exclude-larger-than <size>', 'exclude files that are larger: 500M, 2G', parseBytes)
    .option('--one-file-system', 'do not enter other file systems')
    .option('--compare <facts>', `facts that tell whether a file is read again, of ${FACTS} (default: all)`, parseFacts)
    .option('--checksum', 'read every file, even if no fact differs; bit rot in the source is raised (exit code 3)')
}

export function addBackupOptions(command: Command): Command {
  const common = addEncryptOptions(addCommonOptions(command))
  return addNamedOptions(
    addSourceOptions(common.option('--key <key>', "name of the chain (default: the source's base name)"))
  )
    .option('--compress <codec>', 'zstd, gzip or none, with :LEVEL (default: zstd:3)', parseCodec)
    .option('--dry-run', 'do everything but store nothing')
    .option('--skip-unchanged', 'store nothing if nothing has changed')
    .option('--allow-source-mismatch', 'accept that the backups of the key are of another directory or host')
    .option('--allow-shrink', 'accept a source that is suddenly all but empty')
    .option('--source-id <id>', 'name of the source, if its path or host change')
    .option('--init', 'begin anew if the store has lost the backups that the cache knows')
    .option('--lock-wait <seconds>', 'wait at most this long for another run on the same key', parseSeconds)
    .option('--delete-old-sigvaults', 'after a full, delete the signatures of older chains')
}

/** Options of a source whose names come in a file or in a tar. */
export function addNamedOptions(command: Command): Command {
  return command
    .option(
      '--files-from <file>',
      'back up only the paths in this file, with everything below them (-: stdin; see ibt help patterns)'
    )
    .option('-0, --null', 'the names of --files-from end in NUL bytes, as find -print0 writes them')
    .option('--allow-empty-files-from', 'accept an empty --files-from: back up the root alone')
    .option('--sort <how>', 'spool: sort a tar on stdin; its contents need disk space', parseSort)
    .option('--strip-components <n>', 'remove this many leading parts from each name in a tar on stdin', parseParts)
}

/** When a backup is a full because the chain has grown too long, or too large to restore. */
export function addLevelOptions(command: Command): Command {
  return command
    .option('--max-chain <n>', 'make a full if there are this many incrementals on the newest full', parseChain)
    .option(
      '--max-restore-ratio <r>',
      'make a full if a restore of the newest backup reads more than r times what it would of a full',
      parseRatio
    )
    .option('--merge', 'instead of a full, merge what is stored, and read the source for changes only')
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
function storeOf(values: CommonValues & Pick<BackupValues, 'out'>): PlaceOptions['store'] {
  return values.out !== undefined && values.store === undefined ? undefined : chooseStore(values)
}

/** `isSent`: the places are those of a receiver. @throws UsageError */
export function toBackupOptions(
  values: BackupValues,
  signal: AbortSignal,
  { isSent = false }: { readonly isSent?: boolean } = {}
): BackupOptions<object> {
  if (values.null && values.filesFrom === undefined) throw new UsageError('--null requires --files-from')
  if (isSent && values.jobs !== undefined) setJobs(values.jobs)
  return {
    ...(isSent ? { signal } : toPlaceOptions(values, signal)),
    key: values.key,
    codec: values.compress,
    ...toSourceOptions(values),
    dryRun: values.dryRun,
    skipUnchanged: values.skipUnchanged,
    allowSourceMismatch: values.allowSourceMismatch,
    allowShrink: values.allowShrink,
    sourceId: values.sourceId,
    deleteOldSigvaults: values.deleteOldSigvaults,
    init: values.init,
    maxChain: values.maxChain,
    maxRestoreRatio: values.maxRestoreRatio,
    merge: values.merge,
    lockWaitMs: values.lockWait === undefined ? undefined : values.lockWait * 1000
  }
}

/** What is left out of a source, and what of it is read. */
export function toSourceOptions(values: SourceValues): Pick<BackupOptions<object>, 'rules' | 'detection'> {
  return {
    rules: {
      exclude: values.exclude,
      ignoreFiles: values.ignoreFile,
      excludeIfPresent: values.excludeIfPresent,
      excludeCaches: values.excludeCaches,
      excludeLargerThanBytes: values.excludeLargerThan,
      oneFileSystem: values.oneFileSystem
    },
    detection: toDetection(values)
  }
}

/** For an option that may be repeated. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value]
}

const FACTS = ['size', 'mtime', 'ctime', 'inode'] as const
type Fact = (typeof FACTS)[number]

function toDetection({ compare = FACTS, checksum }: SourceValues): BackupOptions<object>['detection'] {
  return { checksum, ...Object.fromEntries(FACTS.map(fact => [fact, compare.includes(fact)])) }
}

function parseFacts(text: string): readonly Fact[] {
  const facts = text.split(',')
  const unknown = facts.find(fact => !FACTS.some(known => known === fact))
  if (unknown !== undefined) throw new UsageError(`'${unknown}' cannot be compared: give some of ${FACTS}`)
  return facts as Fact[]
}

export function parseCount(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 1 && count <= 256) return count
  throw new UsageError(`'${text}' is not a number of threads: give 1 to 256`)
}

function parseQuorum(text: string): number {
  if (/^[1-9]\d?$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of stores`)
}

export function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (text.trim() !== '' && Number.isFinite(seconds) && seconds >= 0) return seconds
  throw new UsageError(`'${text}' is not a number of seconds`)
}

export function parseLimit(text: string): Rate {
  try {
    return parseRate(text)
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

/** A stream that bytes go into, at most at a rate if one is given. */
export function limited(output: NodeWritable, rate: Rate | undefined): NodeWritable | Sink<Uint8Array> {
  if (rate === undefined) return output
  const sink = toNodeWritable(output)
  return (source, context) => sink(limitRate<Uint8Array>(rate)(source, context), context)
}

export function parsePort(text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65_535) return port
  throw new UsageError(`'${text}' is not a port`)
}

export function parseChain(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of incrementals`)
}

function parseRatio(text: string): number {
  const ratio = Number(text)
  if (text.trim() !== '' && Number.isFinite(ratio) && ratio >= 1) return ratio
  throw new UsageError(`'${text}' is not a ratio: give a number from 1 on`)
}

function parseSort(text: string): 'spool' {
  if (text === 'spool') return text
  throw new UsageError(`'${text}' is not a way to sort: spool is the only one`)
}

export function parseParts(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text)
  throw new UsageError(`'${text}' is not a number of leading parts`)
}

/** A size that something is cut into. */
export function parsePieceBytes(text: string): number {
  const bytes = parseBytes(text)
  if (bytes === 0) throw new UsageError(`'${text}' is no size to cut at: give bytes, or 500K, 20M, 2G`)
  return bytes
}

export function parseBytes(text: string): number {
  const bytes = parseSize(text)
  if (bytes === undefined) throw new UsageError(`'${text}' is not a size: give bytes, or 500K, 20M, 2G`)
  return bytes
}
