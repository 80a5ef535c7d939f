import { opendir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { BackupError } from '../errors.js'
import { makeDirectories } from '../native/make-directories.js'
import { Operation } from '../native.js'
import { encodePath } from '../path.js'
import { type Existing, existingRoot } from '../restore/existing.js'
import type { Outcome, Restorable } from '../restore/restored.js'
import { TreeWriter } from '../restore/tree-writer.js'
import { whyNotRestored } from '../restore/unrestorable.js'
import { type Entry, type EntryType, isEntry, type Sink } from '../types.js'

/** What becomes of what is in the destination already. */
export type Overwrite = 'always' | 'if-changed' | 'never'

/** Options of `write`. */
export interface WriteOptions {
  /** Owners by the name that the backup has, by number, or not at all. Default: by name for root, else not at all. */
  readonly owners?: 'name' | 'number' | 'none' | undefined
  /**
   * Lets the destination hold something, and says what becomes of what is there under the name of an entry. `always`: a
   * file stays if its SHA-256 is right. `if-changed`: it stays, too, if its size and time are right. Metadata are set
   * where they differ. `never`: it stays as it is. Default: a destination that is not empty is refused.
   */
  readonly overwrite?: Overwrite | undefined
  /**
   * Removes from the directories of the backup what the backup does not have: all of it, or that of which the function
   * says so, with all that is below. Takes `overwrite`.
   */
  readonly delete?: boolean | ((path: string, type: EntryType) => boolean) | undefined
  /** Tells directories that only lead to what is restored: one that is there stays as it is. Default: none does. */
  readonly isLeading?: ((directory: Entry) => boolean) | undefined
  /** Observes what could not be written; the run ends if it throws. */
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Observes what was written, or is there already. */
  readonly onEntry?: ((entry: Entry) => void) | undefined
}

/** What was written. */
export interface Written {
  /** Entries of the backup that are there now. */
  readonly entries: number
  readonly files: number
  /** Of these entries, those of which nothing had to be written, or nothing might. */
  readonly unchangedEntries: number
  /** What was removed, each with all that was below it. */
  readonly deletedEntries: number
  /** Of contents that were written. */
  readonly sizeBytes: number
  /** Entries that could not be written, or were not in the backup. */
  readonly skippedEntries: number
}

/**
 * Writes entries into a directory: an empty or new one, or, with `overwrite`, over what is there.
 *
 * Consumes `Entry` in path order, each after its directory. Opens contents one after the other, and only those of files
 * that it writes. Nothing is written outside the directory, and nothing through a link.
 * Files of up to `PART_BYTES` are held until they are proven; larger ones, and all that replace something, have a
 * temporary name until then: who has the old file open keeps it, and so do its other names. What is of another type is
 * removed first. Symlinks, deletions and the metadata of a directory come last in it. Only what differs is written:
 * done again, it writes nothing.
 * Owners other than one's own, and devices, take root. Sockets are not made.
 * Memory: four batches of small files or two chunks, the listings of the open directories if they were there before, their
 * symlinks, and one table entry for each hard-link group.
 *
 * @throws BackupError IBT_NOT_EMPTY, IBT_UNSAFE_PATH; IBT_WRITE_FAILED where no write can succeed (a full disk); what a
 * content throws.
 * @throws TypeError at the call for an option that makes no sense.
 */
export function write(destination: string, options: WriteOptions = {}): Sink<Entry, Written> {
  const { overwrite, delete: deletes = false, isLeading = () => false } = options
  if (overwrite !== undefined && !['always', 'if-changed', 'never'].includes(overwrite)) {
    throw new TypeError(`write: overwrite is 'always', 'if-changed' or 'never', not ${overwrite}`)
  }
  if (deletes !== false && overwrite === undefined) throw new TypeError('write: delete takes overwrite')
  return async function writeSink(source, { signal } = {}) {
    const root = encodePath(resolve(destination))
    const existing = await openDestination(root, overwrite)
    const counts = { entries: 0, files: 0, unchangedEntries: 0, sizeBytes: 0, skippedEntries: 0 }
    const onError = (error: BackupError) => {
      counts.skippedEntries++
      options.onError?.(error)
    }
    const owners = options.owners ?? (process.geteuid?.() === 0 ? 'name' : 'none')
    const isDeleted = typeof deletes === 'function' ? deletes : () => deletes
    const settings = { owners, overwrite, existing, deletes: isDeleted, isLeading, onError, signal }
    const writer = new TreeWriter(root, settings)
    try {
      for await (const entry of source) {
        if (!isEntry(entry)) continue
        const outcome = await writeEntry(writer, entry, onError)
        if (outcome === undefined) continue
        counts.entries++
        counts.sizeBytes += outcome.sizeBytes
        if (outcome.isUnchanged) counts.unchangedEntries++
        if (entry.type === 'file') counts.files++
        options.onEntry?.(entry)
      }
      await writer.end()
    } catch (error) {
      // Jobs that run would go on writing, and files that they have begun would be seen half-written.
      await writer.leave()
      throw error
    }
    return { ...counts, deletedEntries: writer.deletedEntries }
  }
}

/** Makes the directory if it is not there. Yields what it is if it may hold something. */
async function openDestination(root: Buffer, overwrite: Overwrite | undefined): Promise<Existing | undefined> {
  const path = root.toString()
  try {
    await makeDirectories(root)
    if (overwrite !== undefined) return await existingRoot(root)
    const directory = await opendir(path)
    const first = await directory.read()
    await directory.close()
    if (first === null) return undefined
  } catch (cause) {
    throw new BackupError('IBT_WRITE_FAILED', `Cannot make the directory ${path}`, { path, cause })
  }
  const message = `${path} is not empty: restore into a new or an empty directory, or say with overwrite (--overwrite) what becomes of what is there`
  throw new BackupError('IBT_NOT_EMPTY', message, { path })
}

const NODES = {
  fifo: Operation.makeFifo,
  'character-device': Operation.makeCharacterDevice,
  'block-device': Operation.makeBlockDevice
} as const

/** Undefined if the entry was left out. */
async function writeEntry(
  writer: TreeWriter,
  entry: Restorable,
  onError: (error: BackupError) => void
): Promise<Outcome | undefined> {
  const { type } = entry
  if (type === 'directory') return writer.directory(entry)
  if (type === 'symlink') return writer.symlink(entry)
  if (type === 'file') return writer.file(entry)
  const error = whyNotRestored(entry)
  if (error === undefined) return writer.node(entry, NODES[type as keyof typeof NODES])
  onError(error)
  await writer.pass(entry)
  return undefined
}
