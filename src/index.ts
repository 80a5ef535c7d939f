export type { ChangeDetection } from './change/compare.js'
export { chainCodecs, type GzipOptions, gzip, none, type ZstdOptions, zstd } from './codec/index.js'
export { BackupError, type BackupErrorOptions, type ErrorCode, isBackupError } from './errors.js'
export type { StateReader } from './format/state-reader.js'
export { compose } from './interop/compose.js'
export { pipe } from './interop/pipe.js'
export { autoBackup, fullBackup, incrementalBackup } from './pipelines/backup.js'
export type { BackupRun, Parent } from './pipelines/backup-run.js'
export {
  type AtOptions,
  type BackupSummary,
  type CompareOptions,
  compareBackups,
  listBackups,
  listEntries,
  type UnreadableBackup
} from './pipelines/catalog.js'
export { type ArchiveOptions, type FullStages, fullStages } from './pipelines/full.js'
export { type IncrementalStages, incrementalStages } from './pipelines/incremental.js'
export type { BackupOptions, BackupReport, PlaceOptions, Progress } from './pipelines/options.js'
export {
  type RestoreOptions,
  type RestoreReport,
  type RestoreStages,
  restoreBackup,
  type SelectOptions
} from './pipelines/restore.js'
export { restoreTar, type TarReport } from './pipelines/restore-tar.js'
export { type VerifyOptions, type VerifyReport, verifyBackup } from './pipelines/verify.js'
export {
  type Captured,
  createRules,
  createSelection,
  type Rules,
  type RulesOptions,
  type Scope,
  type Selection
} from './rules.js'
export type { EncodeStage } from './stages/encode.js'
export { Chain, type ChainOptions, type StoredArtifact, type StoredBackup } from './stores/chain.js'
export { findOrigins } from './stores/origins.js'
export type * from './types.js'
