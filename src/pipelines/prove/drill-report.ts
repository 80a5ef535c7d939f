import type { ErrorCode } from '../../errors.js'
import type { SampleSize } from '../../proof/sample.js'

export const DRILL_FORMAT = 'incremental-backups-tools drill report'
export const DRILL_VERSION = 1

/**
 * What a drill has tested and found, as it is written to a file: what is not known is null. docs/proof.md describes every field. All but `startedAt`, `finishedAt`, `measured` and
 * `estimate` is the same for a drill of the same backup with the same options, on the same machine.
 */
export interface DrillReport {
  readonly format: typeof DRILL_FORMAT
  readonly version: typeof DRILL_VERSION
  readonly result: 'passed' | 'failed'
  /** ISO. */
  readonly startedAt: string
  readonly finishedAt: string
  readonly tool: { readonly name: string; readonly version: string; readonly node: string }
  /** Where the drill ran. */
  readonly machine: { readonly host: string; readonly platform: string; readonly processors: number }
  readonly tested: {
    readonly key: string
    readonly date: string
    readonly kind: 'full' | 'incremental'
    /** Of the state as it is stored. Null if it could not be read. */
    readonly stateSha256: string | null
    /** Where the source was, and on which machine. */
    readonly root: string | null
    readonly sourceHost: string | null
    readonly store: { readonly id: string; readonly places: readonly string[] }
    /** `nothing`: everything was made, proven and thrown away. */
    readonly into: 'nothing' | 'directory'
    readonly destination: string | null
    /** Null: everything. */
    readonly sample: (SampleSize & { readonly seed: string }) | null
  }
  readonly counts: {
    /** Entries of the state. */
    readonly entries: number
    /** Files that were made and proven, and the bytes of their contents. */
    readonly files: number
    readonly sizeBytes: number
    /** Files of the backup, and the bytes of their contents. */
    readonly allFiles: number
    readonly allSizeBytes: number
    /** Archives that were opened, of those that the backup needs. */
    readonly archives: number
    readonly allArchives: number
    readonly suspectFiles: number
  }
  readonly problems: readonly DrillProblem[]
  readonly notes: readonly string[]
  readonly measured: DrillMeasures
  readonly estimate: DrillEstimate | null
}

/** What stands in the way of a restore. */
export interface DrillProblem {
  readonly code: ErrorCode
  readonly message: string
  /** The entry or artifact that it is about. */
  readonly path: string | null
}

/** What a drill has cost. */
export interface DrillMeasures {
  /** Listing, state, choice of the sample. */
  readonly openMs: number
  /** Of a sample: reading the state once to choose it, and once more in `restoreMs`; 0 if everything was restored. */
  readonly stateMs: number
  /** Making and proving, or writing. */
  readonly restoreMs: number
  readonly totalMs: number
  /** Of all threads. */
  readonly processorMs: number
  /** Calls of the store's `list` and `get`. */
  readonly requests: number
  /** Bytes that the store gave, and those of archives among them. */
  readonly readBytes: number
  readonly archiveBytes: number
  /** Bytes of contents made in a second of `restoreMs`. */
  readonly bytesPerSecond: number
}

/** How long a restore of everything would take at the rate that was measured: an estimate, also if everything was made. */
export interface DrillEstimate {
  readonly everythingMs: number
  /** Bytes that the store would give. */
  readonly readBytes: number
}

/**
 * The larger of what the bytes and what the files take at the measured rate. To read the state takes
 * the same for all. `plannedBytes` are those that a restore of everything reads of archives, where that has been planned.
 */
export function estimateAll(
  { files, sizeBytes, allFiles, allSizeBytes }: DrillReport['counts'],
  measured: Pick<DrillMeasures, 'openMs' | 'stateMs' | 'restoreMs' | 'archiveBytes' | 'readBytes'>,
  plannedBytes?: number
): DrillEstimate | null {
  if (files === 0) return null
  const { openMs, stateMs, restoreMs, archiveBytes, readBytes } = measured
  const factor = Math.max(allFiles / files, sizeBytes === 0 ? 1 : allSizeBytes / sizeBytes)
  return {
    everythingMs: Math.round(openMs + Math.max(0, restoreMs - stateMs) * factor),
    readBytes: Math.round(readBytes - archiveBytes + (plannedBytes ?? archiveBytes * factor))
  }
}
