import type { ChangeDetection } from '../change/compare.js'
import type { StoredFile } from '../change/largest.js'
import type { BackupError } from '../errors.js'
import type { PlaceOptions } from '../places/options.js'
import type { Level, LevelLimits } from '../plan/level.js'
import type { RulesOptions } from '../rules.js'
import type { Cipher, Codec, FindChangedBlocks, FullReason, SealedArtifact, Totals, UnusedMapReason } from '../types.js'
import type { StagesOption } from './choose-stages.js'
import type { MergeReport } from './upkeep/merge.js'

/** What a run has done so far. */
export interface Progress {
  readonly path: string
  readonly entries: number
  readonly files: number
  /** Bytes of the contents of the files that have passed, and what has been read of a long one. */
  readonly sizeBytes: number
  /** Bytes written, before compression. */
  readonly storedBytes: number
  /** What the newest backup counted: about what is to come. Undefined where there is none. */
  readonly total?: Pick<Totals, 'entries' | 'files' | 'sizeBytes'> | undefined
}

/** Options of a run, whatever its pipeline. */
export interface RunOptions extends PlaceOptions, LevelLimits {
  /** Names the chain. Default: made of the source's base name. */
  readonly key?: string | undefined
  /**
   * What is read in the place of the source: a snapshot of it, mounted elsewhere. The key, the recorded root and patterns
   * with absolute paths stay those of the source.
   */
  readonly readFrom?: string | Uint8Array | undefined
  /** Default: `zstd()`, or `gzip()` where neither the package `@mongodb-js/zstd` nor Node itself has a zstd. */
  readonly codec?: Codec | undefined
  /**
   * Encrypts every artifact behind the codec, as the stages `encrypt` and `encryptState` do. What this cipher can open is
   * read with it, too. A key whose backups are encrypted is not written to without.
   */
  readonly encrypt?: Cipher | undefined
  /** What is left out. */
  readonly rules?: RulesOptions | undefined
  readonly detection?: ChangeDetection | undefined
  /**
   * Says what has changed in a file of more than `PART_BYTES` since the backup before, where the source knows: the map of
   * a hypervisor or of a snapshot. Only these blocks are read, and a file that was read so has no SHA-256: the digest of
   * its signature proves it. Asked for files that metadata do not show to be unchanged. Give it from the full on: a map
   * is used only where the backup before was made with this option. With `detection.checksum`, no map is asked for.
   */
  readonly changedBlocks?: FindChangedBlocks | undefined
  /** Names the source where its path and host do not. */
  readonly sourceId?: string | undefined
  /** Go on if the backups of the key are of another source. */
  readonly allowSourceMismatch?: boolean | undefined
  /** Go on if the source is all but empty and was not at the last backup. */
  readonly allowShrink?: boolean | undefined
  /** Store nothing at all if nothing has changed. */
  readonly skipUnchanged?: boolean | undefined
  /** Begin anew where the cache knows backups of the key and the store shows none. Default: that is refused. */
  readonly init?: boolean | undefined
  /** Milliseconds to wait for another run that holds the key's lock. Default: none. */
  readonly lockWaitMs?: number | undefined
  /** Time of a backup that is made of older data, such as an archive from elsewhere. Default: now. */
  readonly date?: Date | undefined
  /** Do all but store. */
  readonly dryRun?: boolean | undefined
  /** After a full, delete the sigvaults of older chains in the store: no delta will ever need them. */
  readonly deleteOldSigvaults?: boolean | undefined
  /**
   * Called as entries pass, after one or several of them, and as a long content is read. The counts are those of everything so far, whichever stages are
   * replaced: after the last entry, those of the report.
   */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Observes what could not be read; the run ends if it throws. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

/** Options of a backup. */
export interface BackupOptions<Stages> extends RunOptions {
  /** Replaces stages of the pipeline, by name: a record, or a function of the pipeline's own. */
  readonly stages?: StagesOption<Stages> | undefined
}

/** A map of changed blocks that was not used: the file was read whole. */
export interface UnusedMapOfFile {
  readonly path: string
  readonly reason: UnusedMapReason
  /** What went wrong with the map. */
  readonly message?: string | undefined
}

/** What became of the maps of changed blocks. */
export interface MapsReport {
  /** Files of which only the changed blocks were read, and the bytes of these. */
  readonly files: number
  readonly readBytes: number
  /** Files that were read whole although there was a map. */
  readonly unusedFiles: number
  /** Up to `REPORTED_PATHS` of these. */
  readonly unused: readonly UnusedMapOfFile[]
}

/** What a backup has done. */
export interface BackupReport {
  readonly key: string
  readonly date: string
  readonly kind: 'full' | 'incremental'
  /** Why the backup is a full; undefined for an incremental. */
  readonly fullReason?: FullReason | undefined
  /** The figures by which `autoBackup` chose between a full and an incremental. */
  readonly level?: Level | undefined
  /** What was merged before, because a limit was reached. */
  readonly merged?: MergeReport | undefined
  /** Date of the backup that this one builds on. */
  readonly parent?: string | undefined
  readonly files: readonly SealedArtifact[]
  readonly storedBytes: number
  /** The `LARGEST_FILES` files of which the most bytes were stored, the largest first, and why. */
  readonly largest: readonly StoredFile[]
  readonly totals: Totals
  /** Of the `files` that the rules name, those that are not there. */
  readonly missingFiles: number
  /** Directories that entries are in and that did not come from the source or its filter: they were made, with mode 0755. */
  readonly madeDirectories: number
  /** Entries that could not be read, changed while they were read, or were named and are not there. */
  readonly skippedEntries: number
  /** False if nothing was stored: a dry run, or nothing had changed. */
  readonly isStored: boolean
  /** Paths below the source that were left out because they are the store or the cache. */
  readonly leftOut: readonly string[]
  /**
   * Files that were read because only their ctime or inode differed, and that had the same content and metadata: many
   * of them where a source was copied or restored. They count as unchanged.
   */
  readonly movedFiles: number
  /**
   * Of a run with `detection.checksum`: files with another content than before, but the same size and mtime. Each is
   * reported as IBT_BIT_ROT. The new content is stored as an update, and flagged in the state.
   */
  readonly suspectFiles: number
  /** Their paths, up to `REPORTED_PATHS` of them. */
  readonly suspects: readonly string[]
  /** Files that an earlier run has flagged so, and whose content is still the same. */
  readonly knownSuspects: number
  /** Of a run with `changedBlocks`. */
  readonly maps?: MapsReport | undefined
}
