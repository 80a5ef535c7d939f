import type { Command } from 'commander'
import { parseCodec } from '../codec/index.js'
import { setJobs } from '../native.js'
import type { BackupOptions } from '../pipelines/options.js'
import type { Codec } from '../types.js'
import { addCommonOptions, toPlaceOptions } from './common-options.js'
import type { EndValues } from './each-source.js'
import { UsageError } from './exit.js'
import { addEncryptOptions } from './keys.js'
import type { NamesValues } from './names.js'
import { parseChain, parseParts, parsePieceBytes, parseRatio, parseSeconds, parseSort } from './parse-values.js'
import { addSourceOptions, type SourceValues, toSourceOptions } from './source-options.js'

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
