import type { BackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { checkValues } from '../format/entry-check.js'
import { Operation } from '../native.js'
import { printPath } from '../path.js'
import { type ConfirmDelete, Deletions } from '../restore/deletions.js'
import { Destination } from '../restore/destination.js'
import type { MayDelete } from '../restore/open-directories.js'
import { ProtectedPlaces } from '../restore/protected-places.js'
import type { Restorable } from '../restore/restored.js'
import { Tally, type Written } from '../restore/tally.js'
import { TreeWriter } from '../restore/tree-writer.js'
import { isPassedOver, wasErased, whyNotRestored } from '../restore/unrestorable.js'
import { type Change, type Entry, isEntry, type Sink } from '../types.js'

export type { ConfirmDelete, DeleteCounts } from '../restore/deletions.js'
export type { MayDelete } from '../restore/open-directories.js'
export type { Written } from '../restore/tally.js'

/** What becomes of things that are in the destination already. */
export type Overwrite = 'always' | 'if-changed' | 'never'

/** Options of `write`. */
export interface WriteOptions {
  /**
   * Owners by the name that the backup has, by number, or not at all. Default: by name for root, else not at all. A file
   * that does not get its owner is not given setuid, setgid or capabilities.
   */
  readonly owners?: 'name' | 'number' | 'none' | undefined
  /**
   * Allows a destination that is not empty, and says what becomes of a thing that has the name of an entry. `always`: a
   * file is left in place if its SHA-256 is right. `if-changed`: also if its size and time are right. In both cases
   * metadata are set where they differ. `never`: it is left in place as it is. Default: a destination that is not empty
   * is refused.
   */
  readonly overwrite?: Overwrite | undefined
  /**
   * Deletes everything in the directories of the backup that the backup does not have, or each thing for which the
   * function returns true, with all that is below it. Without it, a directory that is not empty does not give way to an
   * entry of another type. Requires `overwrite`. `spare`: the thing stays, and is among the report's `spared`.
   */
  readonly delete?: boolean | MayDelete | undefined
  /**
   * Called once when everything is written and before the first deletion, if there is something to delete: an error that
   * it throws ends the run, and nothing is deleted. Deletions wait for it, their paths in a temporary file without a name.
   * It is also called before a directory that is not empty gives way to an entry of another type, which does not wait.
   * Default: what is in a directory is deleted when the directory is left.
   */
  readonly confirmDelete?: ConfirmDelete | undefined
  /** Writes, deletes and reads no content, and counts what it would do; a destination that is not there is not made. */
  readonly dryRun?: boolean | undefined
  /** With `dryRun`: observes each change that would be made. */
  readonly onChange?: ((change: Change) => void) | undefined
  /**
   * Absolute paths of stores and caches: a restore neither removes nor replaces them, nor anything in them, nor the
   * directories and symlinks that lead to them.
   */
  readonly protect?: readonly string[] | undefined
  /**
   * Tells directories that only lead to restored entries: one that is there stays as it is, and nothing in it is deleted.
   * Default: none.
   */
  readonly isLeading?: ((directory: Entry) => boolean) | undefined
  /** Whether an error of a content costs its entry alone: it is reported, and the run goes on. Default: the run ends. */
  readonly costsEntry?: ((error: BackupError) => boolean) | undefined
  /**
   * Whether what was written of a large file until the run ended with an error stays, under a hidden name in its directory
   * (`.ibt-partial-….tmp`): the next run takes from there what is right, and removes it. Default: it does not stay.
   */
  readonly keepsPartial?: ((error: unknown) => boolean) | undefined
  /** Observes what could not be written; the run ends if it throws. */
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Observes every entry that has been written, or is there already. */
  readonly onEntry?: ((entry: Entry) => void) | undefined
}

/**
 * Writes entries into a directory: an empty or new one, or, with `overwrite`, over an existing tree.
 *
 * Consumes `Entry` in path order, each after its directory. Opens contents one after the other, and only those of files
 * that it writes. The destination is opened once, and nothing is written outside it or through a link, also if somebody
 * moves its directories or replaces them meanwhile.
 * Files of up to `PART_BYTES` are in memory until they are proven. Larger ones, and all that replace something, have a
 * temporary name until then: whoever has the old file open keeps it, and so do its other names. Something of another
 * type is removed first. Symlinks, deletions and the metadata of a directory come last in it. Only differences are
 * written: done again, it writes nothing.
 * Nothing is deleted or replaced at or behind a mount point below the destination, nor what `protect` names.
 * Metadata that a destination cannot hold cost only themselves. To set owners other than one's own and to make devices
 * takes root. Sockets are passed over.
 * When the promise settles, also after an error or an abort, nothing is written any more.
 * Memory: four batches of small files or two chunks, the listings of the open directories if they were there before, their
 * symlinks, and one table entry for each hard-link group.
 *
 * @throws BackupError IBT_NOT_EMPTY, IBT_UNSAFE_PATH, IBT_STATE_INVALID (an impossible owner, mode, time or size);
 * IBT_WRITE_FAILED if no write can succeed (a full disk); what a
 * content throws.
 * @throws RangeError if the destination is one of the places that `protect` names.
 * @throws TypeError at the call for an option that makes no sense.
 */
export function write(destination: string | Uint8Array, options: WriteOptions = {}): Sink<Entry, Written> {
  const { overwrite, delete: deletes = false, protect = [], isLeading = () => false, dryRun = false } = options
  if (overwrite !== undefined && !['always', 'if-changed', 'never'].includes(overwrite)) {
    throw new TypeError(`write: overwrite is 'always', 'if-changed' or 'never', not ${overwrite}`)
  }
  if (deletes !== false && overwrite === undefined) throw new TypeError('write: delete requires overwrite')
  return async function writeSink(source, { signal } = {}) {
    const tally = new Tally({ ...options, onChange: dryRun ? options.onChange : undefined })
    const owners = options.owners ?? (process.geteuid?.() === 0 ? 'name' : 'none')
    const isDeleted = typeof deletes === 'function' ? deletes : () => deletes
    const places = await ProtectedPlaces.find(overwrite === undefined ? [] : protect)
    const open = async () => {
      const opened = await (dryRun ? Destination.openThere(destination) : Destination.open(destination))
      try {
        if (overwrite === undefined) await opened.checkEmpty()
        const existing = overwrite === undefined ? undefined : await opened.existing()
        if (existing !== undefined && places.isPlace(existing)) throw new RangeError(inPlace(opened.path))
        const { confirmDelete: confirm, costsEntry = () => false, keepsPartial = () => false } = options
        const deletions = confirm && new Deletions(opened.root, confirm, signal)
        const settings = {
          ...{ owners, overwrite, existing, deletes: isDeleted, deletions, isLeading, places, tally, signal },
          ...{ costsEntry, keepsPartial, isDry: dryRun }
        }
        return { opened, deletions, writer: new TreeWriter(opened.root, settings) }
      } catch (error) {
        await opened.close()
        throw error
      }
    }
    // A source that cannot be read, as without its key, makes no directory.
    let into = (await Destination.isThere(destination)) ? await open() : undefined
    try {
      for await (const item of batchesOf(source)) {
        const { writer } = (into ??= await open())
        for (const entry of isBatch(item) ? item : [item]) if (isEntry(entry)) await writeEntry(writer, entry, tally)
      }
      into ??= await open()
      await into.writer.end()
    } finally {
      // After an error, jobs that run go on writing until they have stopped.
      await into?.writer.leave()
      await into?.deletions?.close()
      await into?.opened.close()
    }
    return tally.written
  }
}

async function writeEntry(writer: TreeWriter, entry: Restorable, tally: Tally): Promise<void> {
  checkValues(entry)
  const { type } = entry
  if (type === 'directory') return writer.directory(entry)
  if (type === 'symlink') return writer.symlink(entry)
  if (type === 'file') return writer.file(entry)
  if (isPassedOver(entry)) return writer.pass(entry)
  if (wasErased(entry)) {
    tally.erased()
    return writer.pass(entry)
  }
  const error = whyNotRestored(entry)
  if (error === undefined) return writer.node(entry, NODES[type as keyof typeof NODES])
  tally.skipped(error)
  await writer.pass(entry)
}

function inPlace(path: string): string {
  return `${printPath(path)} is where backups or their cache are stored: it cannot be a destination`
}

const NODES = {
  fifo: Operation.makeFifo,
  'character-device': Operation.makeCharacterDevice,
  'block-device': Operation.makeBlockDevice
} as const
