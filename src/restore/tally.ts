import { REPORTED_PATHS } from '../constants.js'
import { BackupError } from '../errors.js'
import { systemError, type Unset } from '../native.js'
import { printPath } from '../path.js'
import type { Change, Entry } from '../types.js'
import type { Existing } from './existing.js'
import type { Restoration } from './restored.js'

/** What a restore has done. Counted is what has succeeded. */
export interface Written {
  /** Entries of the backup that are in the destination now. */
  readonly entries: number
  readonly files: number
  /** Of these entries, those for which nothing had to be written, or nothing was allowed to be. */
  readonly unchangedEntries: number
  /**
   * Of these entries, those without an owner, a mode, a time or an attribute that could not be set. Each was reported
   * as IBT_METADATA_FAILED.
   */
  readonly incompleteEntries: number
  /**
   * Of these entries, files that could not be given their owner, and so were not given setuid, setgid or capabilities
   * either: somebody else's program must not run with the rights of the user who restores it.
   */
  readonly unprivilegedEntries: number
  /** Their paths, up to `REPORTED_PATHS` of them. */
  readonly unprivileged: readonly string[]
  /** Things that were deleted, each with everything below it. */
  readonly deletedEntries: number
  /**
   * Things that would have been deleted or replaced and were not: a store, a cache or what leads to one; what lies at or
   * behind a mount point; a directory that is not empty in the place of something else, without `delete`.
   */
  readonly sparedEntries: number
  /** Their paths, up to `REPORTED_PATHS` of them. */
  readonly spared: readonly string[]
  /** Bytes of the contents that were written. */
  readonly sizeBytes: number
  /** Of these, bytes that share blocks with the old version of their file: they took neither space nor a write. */
  readonly sharedBytes: number
  /** Entries that could not be restored, or were not in the backup. */
  readonly skippedEntries: number
  /** Entries whose content was erased from all backups. They are not among the skipped ones. */
  readonly erasedEntries: number
  /** Of these entries, files suspected of bit rot: an earlier backup may have the content that is expected. */
  readonly suspectFiles: number
}

export interface TallyOptions {
  readonly onError?: ((error: BackupError) => void) | undefined
  readonly onEntry?: ((entry: Entry) => void) | undefined
  /** Observes changes: entries, and what is to be deleted. */
  readonly onChange?: ((change: Change) => void) | undefined
}

const SYSTEM_CALLS = { owner: 'chown', attribute: 'setxattr', mode: 'chmod', time: 'utimensat', privileges: 'chmod' }
/** What an error names. */
const NAMED_PARTS = 4

/** Counts and reports what became of the entries of a restore. */
export class Tally {
  readonly #counts = {
    ...{ entries: 0, files: 0, unchangedEntries: 0, incompleteEntries: 0, unprivilegedEntries: 0 },
    ...{ deletedEntries: 0, sparedEntries: 0, sizeBytes: 0, sharedBytes: 0, skippedEntries: 0 },
    ...{ erasedEntries: 0, suspectFiles: 0 }
  }
  readonly #unprivileged: string[] = []
  readonly #spared: string[] = []

  constructor(readonly options: TallyOptions) {}

  get written(): Written {
    return { ...this.#counts, unprivileged: this.#unprivileged, spared: this.#spared }
  }

  /** The entry is in the destination. */
  there(restoration: Restoration): void {
    if (restoration.status !== 'pending') return
    restoration.status = 'there'
    const { entry, isUnchanged, sizeBytes, sharedBytes } = restoration
    this.#counts.entries++
    this.#counts.sizeBytes += sizeBytes
    this.#counts.sharedBytes += sharedBytes
    if (isUnchanged) this.#counts.unchangedEntries++
    if (entry.type === 'file') this.#counts.files++
    if (entry.expectedSha256 !== undefined) this.#counts.suspectFiles++
    this.options.onEntry?.(entry)
    const { change, there } = restoration
    if (change !== 'unchanged') this.options.onChange?.({ ...entry, change, previous: there })
  }

  /** An entry cannot be restored, or, if it is there, not finished. Reported once, whatever else fails because of it. */
  failed(restoration: Restoration, error: BackupError): void {
    const { status } = restoration
    if (status === 'pending') {
      restoration.status = 'failed'
      this.skipped(error)
    } else if (status === 'there') {
      this.#counts.incompleteEntries++
      this.options.onError?.(error)
    }
  }

  /** An entry of which nothing was tried. */
  skipped(error: BackupError): void {
    this.#counts.skippedEntries++
    this.options.onError?.(error)
  }

  /** An entry that the backup does not have any more. */
  erased(): void {
    this.#counts.erasedEntries++
  }

  /** An entry is there, or will be, without some of its metadata. */
  incomplete(restoration: Restoration, unset: readonly Unset[]): void {
    const { path } = restoration.entry
    if (unset.some(({ part }) => part === 'privileges')) this.unprivileged(restoration)
    const parts = unset.filter(({ part }) => part !== 'privileges')
    const first = parts[0]
    if (first === undefined) return
    this.#counts.incompleteEntries++
    const cause = systemError(first.errno, SYSTEM_CALLS[first.part], path)
    const message = `Cannot set ${listParts(parts)} of ${printPath(path)}`
    this.options.onError?.(new BackupError('IBT_METADATA_FAILED', message, { path, cause }))
  }

  /** A file was not given setuid, setgid or capabilities. */
  unprivileged({ entry }: Restoration): void {
    this.#counts.unprivilegedEntries++
    if (this.#unprivileged.length < REPORTED_PATHS) this.#unprivileged.push(entry.path)
  }

  spared(path: string): void {
    this.#counts.sparedEntries++
    if (this.#spared.length < REPORTED_PATHS) this.#spared.push(path)
  }

  /** It will be deleted if nothing comes in between. */
  doomed(there: Existing): void {
    this.options.onChange?.({ ...there, change: 'deleted', previous: there })
  }

  deleted(): void {
    this.#counts.deletedEntries++
  }
}

function listParts(parts: readonly Unset[]): string {
  const names = parts.slice(0, NAMED_PARTS).map(printPart)
  const more = parts.length - names.length
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '')
}

function printPart({ part, attribute, errno }: Unset): string {
  const { code } = systemError(errno, SYSTEM_CALLS[part])
  if (part !== 'attribute') return `the ${part} (${code})`
  return attribute === '' ? `the attributes (${code})` : `the attribute ${printPath(attribute)} (${code})`
}
