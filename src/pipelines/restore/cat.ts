import { findEntry, peekChain } from '../../catalog/open-chain.js'
import { noEntry } from '../../catalog/usage.js'
import { BackupError } from '../../errors.js'
import { pipe } from '../../interop/pipe.js'
import { printPath } from '../../path.js'
import { parseAt } from '../../places/at.js'
import type { AtOptions } from '../../places/options.js'
import { parseTypedPath } from '../../rules.js'
import { patch } from '../../stages/patch.js'
import { unpack } from '../../stages/unpack.js'
import type { Entry, StateEntry } from '../../types.js'

/** What `catEntry` has read. */
export interface CatReport {
  readonly key: string
  readonly date: string
  readonly path: string
  readonly sizeBytes: number
  readonly sha256?: string | undefined
}

/**
 * The content of one file of a backup, by range reads: the list, a part of the state, and of each archive that holds the
 * content its end and the frames of the file. A path as people type it is taken, too.
 * Proven by its SHA-256: before the first byte up to `PART_BYTES`, else behind the last.
 * Memory: as `openStateFrom` and `patch`.
 *
 * @throws BackupError IBT_NO_BACKUP; IBT_NOT_FOUND for a path that the backup does not have; IBT_UNSUPPORTED_TYPE for what
 * is not a file; IBT_READ_FAILED for a file that could not be read when it was backed up; IBT_HASH_MISMATCH.
 */
export async function* catEntry(
  key: string,
  path: string,
  options: AtOptions = {}
): AsyncGenerator<Uint8Array, CatReport, undefined> {
  const wanted = parseTypedPath(path)
  const chain = await peekChain(key, options)
  const { date } = chain.at(await parseAt(options.at))
  const found = await findEntry(chain, date, wanted)
  if (found === undefined) throw noEntry(key, date, wanted)
  checkFile(found, date)
  for await (const entry of pipe([found], entries => unpack(entries, chain.openArchive), patch())) {
    yield* contentOf(entry)
  }
  return { key, date, path: wanted, sizeBytes: found.sizeBytes ?? 0, sha256: found.sha256 }
}

async function* contentOf({ content }: Entry): AsyncGenerator<Uint8Array, void, undefined> {
  if (content !== undefined) yield* content.open()
}

/** @throws BackupError */
function checkFile({ path, type, linkname, places, erased }: StateEntry, date: string): void {
  const named = `${printPath(path)} in the backup of ${date}`
  if (type === 'file' && places !== undefined) return
  if (type === 'file' || type === 'unreadable') {
    const why = erased === undefined ? 'it could not be read then' : `it was erased from all backups at ${erased}`
    throw new BackupError('IBT_READ_FAILED', `${named} has no content: ${why}`, { path })
  }
  const what = type === 'symlink' ? `a symbolic link to ${printPath(linkname ?? '')}` : `a ${type.replace('-', ' ')}`
  throw new BackupError('IBT_UNSUPPORTED_TYPE', `${named} is ${what}, not a file`, { path })
}
