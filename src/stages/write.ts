import { mkdir, readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { abortable } from '../abortable.js'
import { PART_BYTES } from '../constants.js'
import { TreeWriter } from '../content/tree-writer.js'
import { BackupError } from '../errors.js'
import { encodePath, printPath } from '../path.js'
import { type Entry, isEntry, type Sink } from '../types.js'

/** Options of `write`. */
export interface WriteOptions {
  /** Owners by the name that the backup has, by number, or not at all. Default: by name for root, else not at all. */
  readonly owners?: 'name' | 'number' | 'none' | undefined
  /** Observes what could not be written; the run ends if it throws. */
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Observes what was written. */
  readonly onEntry?: ((entry: Entry) => void) | undefined
}

/** What was written. */
export interface Written {
  readonly entries: number
  readonly files: number
  readonly sizeBytes: number
  /** Entries that could not be written, or were not in the backup. */
  readonly skippedEntries: number
}

/**
 * Writes entries into a directory that is empty or not there yet.
 *
 * Consumes `Entry` in path order, each after its directory. Reads contents one after the other.
 * Nothing is written outside the directory, and nothing through a link. Files of up to `PART_BYTES` are held until they
 * are proven; larger ones have a temporary name until then. Symlinks, and the metadata of a directory, come last in it.
 * Owners other than one's own take root. Memory: two batches of small files or one chunk, the symlinks of the open
 * directories, and one table entry for each hard-link group.
 *
 * @throws BackupError IBT_NOT_EMPTY, IBT_UNSAFE_PATH; IBT_WRITE_FAILED where no write can succeed (a full disk); what a
 * content throws.
 */
export function write(destination: string, options: WriteOptions = {}): Sink<Entry, Written> {
  return async function writeSink(source, { signal } = {}) {
    const root = resolve(destination)
    await makeEmptyDirectory(root)
    const counts = { entries: 0, files: 0, sizeBytes: 0, skippedEntries: 0 }
    const onError = (error: BackupError) => {
      counts.skippedEntries++
      options.onError?.(error)
    }
    const owners = options.owners ?? (process.geteuid?.() === 0 ? 'name' : 'none')
    const writer = new TreeWriter(encodePath(root), { owners, onError, signal })
    for await (const entry of source) {
      if (!isEntry(entry)) continue
      const sizeBytes = await writeEntry(writer, entry, onError)
      if (sizeBytes === undefined) continue
      counts.entries++
      counts.sizeBytes += sizeBytes
      if (entry.type === 'file') counts.files++
      options.onEntry?.(entry)
    }
    await writer.end()
    return counts
  }
}

async function makeEmptyDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    if ((await readdir(path)).length === 0) return
  } catch (cause) {
    throw new BackupError('IBT_WRITE_FAILED', `Cannot make the directory ${path}`, { path, cause })
  }
  throw new BackupError('IBT_NOT_EMPTY', `${path} is not empty: restore into a new or an empty directory`, { path })
}

/** Bytes of content that were written; undefined if the entry was left out. */
async function writeEntry(
  writer: TreeWriter,
  entry: Entry,
  onError: (error: BackupError) => void
): Promise<number | undefined> {
  if (entry.type === 'directory') await writer.directory(entry)
  else if (entry.type === 'symlink') await writer.symlink(entry)
  else if (entry.type === 'file') return writeFile(writer, entry)
  else {
    const isUnreadable = entry.type === 'unreadable'
    const message = isUnreadable
      ? 'was unreadable and is not in this backup'
      : `is a ${entry.type}, which is not restored`
    const code = isUnreadable ? 'IBT_READ_FAILED' : 'IBT_UNSUPPORTED_TYPE'
    onError(new BackupError(code, `${printPath(entry.path)} ${message}`, { path: entry.path }))
    return undefined
  }
  return 0
}

async function writeFile(writer: TreeWriter, entry: Entry): Promise<number> {
  if (await writer.link(entry)) return 0
  const chunks = abortable(entry.content?.open() ?? [], writer.options.signal)
  let sizeBytes: number
  if ((entry.sizeBytes ?? Infinity) > PART_BYTES) sizeBytes = await writer.largeFile(entry, chunks)
  else {
    const held: Uint8Array[] = []
    for await (const chunk of chunks) held.push(chunk)
    const body = held.length === 1 ? held[0]! : Buffer.concat(held)
    sizeBytes = body.length
    await writer.smallFile(entry, body)
  }
  writer.wrote(entry)
  return sizeBytes
}
