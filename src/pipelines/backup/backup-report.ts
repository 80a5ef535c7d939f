import type { Published } from '../../stages/publish.js'
import type { Totals } from '../../types.js'
import type { BackupSettings, Parent } from '../backup-run.js'
import type { BackupReport } from '../options.js'
import type { Newest } from './newest.js'
import type { Watcher } from './watch.js'

/** What a run has done, but for whether it is stored. */
export function makeReport(
  { header }: Pick<BackupSettings, 'header'>,
  {
    parent,
    fullReason,
    level
  }: Pick<Newest, 'fullReason' | 'level'> & { readonly parent?: Pick<Parent, 'date'> | undefined },
  { artifacts, totals }: Published,
  { largest, missingFiles, movedFiles, madeDirectories, suspectFiles, suspects, knownSuspects, maps }: Watcher
): Omit<BackupReport, 'isStored' | 'leftOut'> {
  return {
    key: header.key,
    date: header.date,
    kind: header.kind,
    fullReason,
    level,
    parent: parent?.date,
    files: artifacts,
    storedBytes: artifacts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
    largest,
    totals,
    missingFiles,
    madeDirectories,
    skippedEntries: totals.unreadable + totals.dirty + missingFiles,
    movedFiles,
    suspectFiles,
    suspects,
    knownSuspects,
    maps
  }
}

/** What could not be read is as it was: to store that again would say nothing. */
export function hasChanges({ created, updated, touched, deleted, dirty }: Totals): boolean {
  return created + updated + touched + deleted + dirty > 0
}
