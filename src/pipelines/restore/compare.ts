import { resolve } from 'node:path'
import { openChain } from '../../catalog/open-chain.js'
import { type ChangeDetection, compareEntry, kindOfRead } from '../../change/compare.js'
import { type BackupError, isBackupError } from '../../errors.js'
import { pipe } from '../../interop/pipe.js'
import { createProver } from '../../native.js'
import { decodePath } from '../../path.js'
import { parseAt } from '../../places/at.js'
import type { AtOptions } from '../../places/options.js'
import { checkNamed, openPlaces, placesInside } from '../../places/places.js'
import type { RulesOptions } from '../../rules.js'
import { diff } from '../../stages/diff.js'
import { walk } from '../../stages/walk.js'
import type { Change, ChangeKind, Content, ContentDigests, StateEntry } from '../../types.js'
import { sourceRules } from '../source-rules.js'

/** Options of `compareToSource`. */
export interface CompareSourceOptions extends AtOptions {
  /** What is left out of the source: as in its backups. */
  readonly rules?: RulesOptions | undefined
  /** Which facts prove that a file is the same without reading it, as in a backup. `checksum`: every file is read. */
  readonly detection?: ChangeDetection | undefined
  /** Observes what could not be read, and so not be compared; the run ends if it throws. */
  readonly onError?: ((error: BackupError) => void) | undefined
}

/** What a comparison has found. */
export interface CompareReport {
  readonly key: string
  readonly date: string
  readonly source: string
  /** Of the backup and of the source, each path once. */
  readonly entries: number
  readonly differences: number
  /** Bytes that were read of files. */
  readonly readBytes: number
  /** Entries that could not be read: whether they differ is not known. */
  readonly skippedEntries: number
}

/**
 * Compares a backup with a directory, and yields what differs, in path order: `created` is only in the directory,
 * `deleted` only in the backup. A file of the same metadata counts as the same, as in a backup; one whose metadata differ
 * is read, unless its size tells, and compared by its SHA-256. Writes nothing, and takes no lock.
 * Memory: as `walk` and `diff`, and one chunk.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_READ_FAILED if the source cannot be listed; what reading a state throws.
 */
export async function* compareToSource(
  key: string,
  source: string | Uint8Array,
  options: CompareSourceOptions = {}
): AsyncGenerator<Change, CompareReport, undefined> {
  const { signal, detection } = options
  const root = resolve(checkNamed('source', typeof source === 'string' ? source : decodePath(source)))
  const chain = await openChain(key, options)
  const { date } = chain.at(await parseAt(options.at))
  const counts = { entries: 0, differences: 0, readBytes: 0, skippedEntries: 0 }
  const skip = (error: BackupError) => {
    counts.skippedEntries++
    options.onError?.(error)
  }
  const rules = await sourceRules(root, options.rules, {
    leftOut: await placesInside(openPlaces(options), root),
    onMissing: path => options.rules?.onMissing?.(path)
  })
  for await (const item of pipe(walk(root, rules, { signal }), diff(chain.entries(date), detection), { signal })) {
    counts.entries++
    const change = await settled(item, detection, counts).catch((error: unknown) => {
      signal?.throwIfAborted()
      if (!isBackupError(error)) throw error
      skip(error)
      return 'unchanged' as const
    })
    if (item.error !== undefined) skip(item.error)
    if (change === 'unchanged') continue
    counts.differences++
    yield { ...item, change }
  }
  return { key, date, source: root, ...counts }
}

/** What an entry is, its content compared where its metadata leave that open. */
async function settled(
  item: Change,
  detection: ChangeDetection | undefined,
  counts: { readBytes: number }
): Promise<ChangeKind> {
  const { change, previous, content } = item
  if (item.type === 'unreadable' && change === 'created') return 'unchanged'
  if (change !== 'updated' || item.type !== 'file' || previous === undefined || content === undefined) return change
  // The digest is that of other bytes.
  if (previous.mapped !== undefined) return compareMapped(item, previous, detection)
  if (item.sizeBytes !== previous.sizeBytes) return change
  const isSame = await isProven(content, previous, counts)
  // What both have: their metadata decide.
  return isSame ? kindOfRead(item, previous, previous) : change
}

function compareMapped(item: Change, previous: StateEntry, detection: ChangeDetection = {}): ChangeKind {
  return compareEntry({ ...item, mapped: previous.mapped }, previous, { ...detection, checksum: false })
}

/** Whether a content is the one that a digest is of; false if there is no digest. */
async function isProven(content: Content, digests: ContentDigests, counts: { readBytes: number }): Promise<boolean> {
  const prover = createProver(digests)
  if (prover === undefined) return false
  for await (const chunk of content.open()) {
    await prover.update(chunk)
    counts.readBytes += chunk.length
  }
  return prover.isProven()
}
