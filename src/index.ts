export type { Arrived, ArrivedArtifact } from './bundle/arrived.js'
export type { BundleOptions } from './bundle/write-volumes.js'
export { type BackupSummary, listBackups, type UnreadableBackup } from './catalog/backups.js'
export { type CompareOptions, compareBackups } from './catalog/changes.js'
export { type ListOptions, listEntries } from './catalog/entries.js'
export { type FindOptions, type FoundVersion, findEntries } from './catalog/find.js'
export { entryHistory, type PathEvent, type UnreadableEvent } from './catalog/history.js'
export { type DirectoryUsage, diskUsage, type UsageOptions } from './catalog/usage.js'
export type { ChangeDetection } from './change/compare.js'
export type { StoredFile, StoredReason } from './change/largest.js'
export { chainCodecs, type GzipOptions, gzip, none, type ZstdOptions, zstd } from './codec/index.js'
export { type Config, defineConfig, type RetentionConfig, type SourceConfig } from './config/config.js'
export type {
  Hook,
  HookAnswer,
  HookCommand,
  HookContext,
  HookEvent,
  HookFunction,
  HookReturn,
  HooksConfig
} from './config/hook.js'
export * from './constants.js'
export { BackupError, type BackupErrorOptions, type ErrorCode, isBackupError } from './errors.js'
export type { TwoWay } from './exchange/line.js'
export { batchesOf, batchStage, isBatch, toBatch, toBatchSource } from './flow/batches.js'
export type { ArtifactTrace, Operation, RunTrace, StoreTrace } from './flow/tracing.js'
export { type ArtifactName, artifactName, checkKey, keyFromPath, parseArtifactName } from './format/names.js'
export type { StateReader } from './format/state-reader.js'
export { compose } from './interop/compose.js'
export { pipe } from './interop/pipe.js'
export type { PlannedMerge } from './lifecycle/merges.js'
export type { LockedOptions } from './lifecycle/options.js'
export type { PlannedBackup, PruneAction, PrunePlan } from './lifecycle/plan.js'
export type { LeftName, Swept, WaitingBackup } from './lifecycle/sweep.js'
export {
  checkPath,
  comparePaths,
  decodePath,
  encodePath,
  isBelow,
  joinPath,
  parentPath,
  printPath,
  ROOT_PATH
} from './path.js'
export { autoBackup, fullBackup, incrementalBackup } from './pipelines/backup/backup.js'
export { type ImportTarOptions, importTar } from './pipelines/backup/import-tar.js'
export type { RunKind } from './pipelines/backup/newest.js'
export { type BackupRun, type OpenRunOptions, openRun } from './pipelines/backup/open-run.js'
export {
  type BackupPlan,
  type PlanBackupOptions,
  type PlannedSource,
  planBackup
} from './pipelines/backup/plan-backup.js'
export { type StreamBackupOptions, streamBackup } from './pipelines/backup/stream-backup.js'
export type { BackupSettings, Parent } from './pipelines/backup-run.js'
export type { FixedStages, FullStages, IncrementalStages } from './pipelines/backup-stages.js'
export type { SomeStages, StagesOption } from './pipelines/choose-stages.js'
export type {
  BackupOptions,
  BackupReport,
  MapsReport,
  Progress,
  RunOptions,
  UnusedMapOfFile
} from './pipelines/options.js'
export { type DrillOptions, drillBackup } from './pipelines/prove/drill.js'
export type { DrillEstimate, DrillMeasures, DrillProblem, DrillReport } from './pipelines/prove/drill-report.js'
export type { Proven, ProveOptions } from './pipelines/prove/prove.js'
export {
  type VerifyOptions,
  type VerifyReport,
  type VerifyStages,
  verifyBackup
} from './pipelines/prove/verify.js'
export type { ProvenSample } from './pipelines/prove/verify-sample.js'
export { type BackupEntriesOptions, backupEntries } from './pipelines/restore/backup-entries.js'
export { type CatReport, catEntry } from './pipelines/restore/cat.js'
export { type CompareReport, type CompareSourceOptions, compareToSource } from './pipelines/restore/compare.js'
export {
  type ArchiveReads,
  type RestoreOptions,
  type RestoreReport,
  type RestoreStages,
  restoreBackup,
  type SelectOptions
} from './pipelines/restore/restore.js'
export { type RestoreTarOptions, restoreTar, type TarReport, type TarStages } from './pipelines/restore/restore-tar.js'
export { type ThawOptions, type ThawReport, thawBackup } from './pipelines/restore/thaw.js'
export { discardArrived, listArrived } from './pipelines/transfer/arrived.js'
export { type CopyOptions, type CopyReport, copyBackups } from './pipelines/transfer/copy.js'
export { type ExportOptions, type ExportReport, exportBackups } from './pipelines/transfer/export.js'
export { type ImportOptions, type ImportReport, importBackups } from './pipelines/transfer/import.js'
export { type ReceiveOptions, type ReceiveReport, receiveBackup } from './pipelines/transfer/receive-backup.js'
export {
  type ReceiveTreeOptions,
  type ReceiveTreeReport,
  type ReceiveTreeStages,
  receiveTree
} from './pipelines/transfer/receive-tree.js'
export { type SendOptions, type SendReport, sendBackup } from './pipelines/transfer/send-backup.js'
export {
  type SendTreeOptions,
  type SendTreeReport,
  type SendTreeStages,
  sendTree
} from './pipelines/transfer/send-tree.js'
export { type CleanOptions, type CleanReport, cleanBackups } from './pipelines/upkeep/clean.js'
export { type EraseOptions, type EraseReport, eraseFiles } from './pipelines/upkeep/erase.js'
export { type MergeOptions, type MergeReport, mergeBackups } from './pipelines/upkeep/merge.js'
export { type PruneOptions, type PruneReport, pruneBackups } from './pipelines/upkeep/prune.js'
export { type RetainOptions, type RetainReport, retainBackups } from './pipelines/upkeep/retain.js'
export { type SignOptions, type SignReport, signBackups } from './pipelines/upkeep/sign-backups.js'
export { listRemoved, type UndeleteOptions, type UndeleteReport, undeleteBackup } from './pipelines/upkeep/undelete.js'
export type { AtOptions, PlaceOptions, SigningKey } from './places/options.js'
export type { PlannedArchive } from './plan/archive-use.js'
export { backupStats, type DayNewest, type DayStats, type KeyStats, type LargeChange } from './plan/backup-stats.js'
export type { Level, LevelLimits, LevelMerge, LevelRestore, LimitReason } from './plan/level.js'
export { type PlanRestoreOptions, planRestore, type RestorePlan } from './plan/plan-restore.js'
export type { RestoreCost } from './plan/restore-cost.js'
export { type BackupReason, whyBackup } from './plan/why-backup.js'
export type { SampleSize } from './proof/sample.js'
export type { Duration } from './retention/duration.js'
export { type DatedBackup, type Kept, keptBackups } from './retention/evaluate.js'
export type { Period } from './retention/periods.js'
export { type KeepCount, type KeepOptions, parseRules, type Rule, type RuleWord } from './retention/rules.js'
export type { OtherPath } from './rewrite/erase-search.js'
export type { ErasedBackup, ErasePlan, PurgedBackup } from './rewrite/plan-erase.js'
export {
  type Captured,
  createRules,
  createSelection,
  type Rules,
  type RulesOptions,
  type Scope,
  type Selection,
  type SelectionOptions
} from './rules.js'
export type { GuardOptions } from './serve/guard.js'
export { type BackupServer, type ServeOptions, serveBackups } from './serve/serve-backups.js'
export type { EncodeStage } from './stages/encode.js'
export type { StoredBackup } from './stores/backup-names.js'
export { Chain, type ChainOptions, type NeededArtifact, type StoredArtifact } from './stores/chain.js'
export { type FoundOrigins, findOrigins, type OriginKeys } from './stores/origins.js'
export type { RemovedBackup } from './stores/removed.js'
export type { StoredSegment } from './stores/segments.js'
export type { StateEnds } from './stores/state-ends.js'
export type { SeekOptions } from './stores/state-seek.js'
export type * from './types.js'
export { batches, batchOf, isChunk, isCounted, isEntry, isPacked, isPiece, isSealed } from './types.js'
