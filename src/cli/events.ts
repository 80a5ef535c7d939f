import type { BackupSummary, UnreadableBackup } from '../catalog/backups.js'
import type { FoundVersion } from '../catalog/find.js'
import type { PathEvent, UnreadableEvent } from '../catalog/history.js'
import type { DirectoryUsage } from '../catalog/usage.js'
import type { HookResult } from '../config/hook.js'
import type { BackupError } from '../errors.js'
import type { PrunePlan } from '../lifecycle/plan.js'
import type { BackupPlan } from '../pipelines/backup/plan-backup.js'
import type { BackupReport, Progress } from '../pipelines/options.js'
import type { DrillReport } from '../pipelines/prove/drill-report.js'
import type { VerifyReport } from '../pipelines/prove/verify.js'
import type { CatReport } from '../pipelines/restore/cat.js'
import type { CompareReport } from '../pipelines/restore/compare.js'
import type { RestoreReport } from '../pipelines/restore/restore.js'
import type { TarReport } from '../pipelines/restore/restore-tar.js'
import type { ThawReport } from '../pipelines/restore/thaw.js'
import type { CopyReport } from '../pipelines/transfer/copy.js'
import type { ExportReport } from '../pipelines/transfer/export.js'
import type { ImportReport } from '../pipelines/transfer/import.js'
import type { ReceiveReport } from '../pipelines/transfer/receive-backup.js'
import type { ReceiveTreeReport } from '../pipelines/transfer/receive-tree.js'
import type { SendReport } from '../pipelines/transfer/send-backup.js'
import type { SendTreeReport } from '../pipelines/transfer/send-tree.js'
import type { CleanReport } from '../pipelines/upkeep/clean.js'
import type { EraseReport } from '../pipelines/upkeep/erase.js'
import type { MergeReport } from '../pipelines/upkeep/merge.js'
import type { PruneReport } from '../pipelines/upkeep/prune.js'
import type { RetainReport } from '../pipelines/upkeep/retain.js'
import type { SignReport } from '../pipelines/upkeep/sign-backups.js'
import type { UndeleteReport } from '../pipelines/upkeep/undelete.js'
import type { DayStats, KeyStats } from '../plan/backup-stats.js'
import type { RestorePlan } from '../plan/plan-restore.js'
import type { BackupReason } from '../plan/why-backup.js'
import type { ErasePlan } from '../rewrite/plan-erase.js'
import type { TriedPromise, ValidateReport } from '../stores/validate-store.js'
import type { Change, Kind, StateEntry } from '../types.js'
import type { Failure } from './exit.js'

// What a program reads of `--json`: scripts/events.mjs makes docs/json.md and schema/ibt-events-1.json of these types.

/** What a run has done so far, at most twice a second. */
interface ProgressEvent extends Progress {
  readonly event: 'progress'
}

/** Something that a person should know; the run goes on. */
interface WarningEvent {
  readonly event: 'warning'
  /** Text for people; may change at any time. */
  readonly message: string
}

/** An entry or an archive that could not be read; the run goes on. */
interface ErrorEvent {
  readonly event: 'error'
  readonly error: BackupError
}

/** A file that cannot be made again. */
interface LostEvent {
  readonly event: 'lost'
  readonly path: string
}

/** A source of the config comes next. */
interface SourceEvent {
  readonly event: 'source'
  readonly name: string
  readonly key: string
}

/** The last line of a run of sources of the config. */
interface RunEvent {
  readonly event: 'run'
  /** The worst of those of the sources. */
  readonly exitCode: number
  readonly elapsedMs: number
  readonly sources: readonly { readonly name: string; readonly key: string; readonly exitCode: number }[]
  /** Of `ibt backup`: the hooks around the run. */
  readonly hooks?: readonly HookResult[] | undefined
}

/** The last line of a run, or of a source, that is not done. */
interface FailedEvent extends Failure {
  readonly event: 'failed'
  readonly exitCode: number
  /** The source of the config, if the run has others. */
  readonly name?: string | undefined
  readonly key?: string | undefined
  readonly hooks?: readonly HookResult[] | undefined
}

/** What becomes of each backup, before it does. */
interface PlanEvent extends PrunePlan {
  readonly event: 'plan'
}

/** What will be written again and deleted, before it is. */
interface ErasePlanEvent extends ErasePlan {
  readonly event: 'plan'
}

/** A promise of the store that was tried. */
interface PromiseEvent extends TriedPromise {
  readonly event: 'promise'
}

/** The server takes requests. */
interface ListeningEvent {
  readonly event: 'listening'
  readonly url: string
}

/** The last line of a run, or of a source, that is done. */
interface Report {
  readonly event: 'report'
  readonly exitCode: number
  readonly elapsedMs: number
}

/** One version of a path. */
export interface HistoryLine
  extends Pick<PathEvent, 'date' | 'change' | 'path'>,
    Omit<StateEntry, 'path' | 'places' | 'signature'> {
  /** The archives that hold the content, oldest first. */
  readonly heldIn: readonly { readonly date: string; readonly kind: Kind }[]
}

/** One difference. */
export interface DiffLine extends Pick<Change, 'change' | 'path' | 'type' | 'sizeBytes'> {
  readonly previousSizeBytes?: number | undefined
}

/** A removed backup that can come back. */
export interface RemovedLine {
  readonly key: string
  readonly date: string
  readonly removedAtMs: number
}

/** What every command may write. */
export type CommonLine = ProgressEvent | WarningEvent | ErrorEvent | FailedEvent

/** What a command that takes several keys may write besides. */
type SourcesLine = SourceEvent | RunEvent

/** What a backup has done. The report of a source of the config also has the outcome of its hooks. */
interface BackupEvent extends Report, BackupReport {
  /** Name of the source, if it is one of the config. */
  readonly name?: string | undefined
  readonly hooks?: readonly HookResult[] | undefined
}

type BackupLine = BackupEvent | SourcesLine

/** What each command writes on stdout with `--json`, beside the lines of `CommonLine`. */
export interface JsonLines {
  readonly full: BackupLine
  readonly incremental: BackupLine
  readonly backup: BackupLine
  readonly restore: (Report & (RestoreReport | TarReport)) | DiffLine
  readonly list: BackupSummary | UnreadableBackup
  readonly ls: StateEntry
  readonly cat: Report & CatReport
  readonly du: DirectoryUsage
  readonly find: FoundVersion
  /** SQL, which is no JSON. */
  readonly catalog: never
  readonly history: HistoryLine | UnreadableEvent
  readonly diff: DiffLine
  readonly compare: DiffLine | (Report & CompareReport)
  readonly plan: BackupPlan
  readonly 'plan restore': RestorePlan
  readonly stats: DayStats | (Omit<Report, 'elapsedMs'> & KeyStats)
  readonly why: BackupReason
  readonly verify: (Report & VerifyReport) | LostEvent | SourcesLine
  readonly drill: (Report & DrillReport) | LostEvent
  readonly export: Report & ExportReport
  readonly import: Report & (ImportReport | BackupReport | { readonly key: string; readonly discarded: number })
  readonly copy: Report & CopyReport
  readonly prune: (Report & Omit<PruneReport, 'plan'>) | PlanEvent | SourcesLine
  readonly merge: Report & MergeReport
  readonly erase: (Report & Omit<EraseReport, 'plan'>) | ErasePlanEvent
  readonly thaw: Report & ThawReport
  readonly send: (BackupEvent & SendReport) | (Report & SendTreeReport) | SourcesLine
  readonly receive: (Report & (ReceiveReport | ReceiveTreeReport)) | DiffLine
  readonly serve: ListeningEvent | (Report & { readonly url: string })
  readonly 'validate-store': (Report & ValidateReport) | PromiseEvent
  readonly clean: (Report & CleanReport) | SourcesLine
  readonly sign: Report & SignReport
  readonly undelete: RemovedLine | (Report & UndeleteReport)
  readonly lock: Report & RetainReport
  readonly extend: Report & RetainReport
}
