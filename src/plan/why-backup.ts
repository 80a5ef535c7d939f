import type { StoredFile, StoredReason } from '../change/largest.js'
import { checkPolicy, whyNoDelta } from '../change/policy.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { comparePaths } from '../path.js'
import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { Chain } from '../stores/chain.js'
import { backupLinks } from '../stores/merged-places.js'
import type { StateEntry } from '../types.js'
import { type NewFile, NewFiles } from './new-files.js'

/** Why a backup is what it is, as far as states tell. */
export interface BackupReason {
  readonly key: string
  readonly date: string
  readonly kind: 'full' | 'incremental'
  /** Why it is a full: a `FullReason`, or a word of a later version. Undefined for an incremental and in old states. */
  readonly fullReason?: string | undefined
  /** Date of the backup that it builds on. */
  readonly parent?: string | undefined
  /** Of its artifacts in the store. */
  readonly storedBytes: number
  /** Files of which it stored bytes, and the bytes of them before compression. */
  readonly newFiles: number
  readonly newBytes: number
  /** The `LARGEST_FILES` of these of which it stored the most bytes, the largest first. */
  readonly largest: readonly StoredFile[]
}

/**
 * Says why a backup is a full, and why it is as large as it is: the files of which it stored the most bytes, and the reason
 * for each. It reads the state and that of the backup before. Of a file that could have been a delta and is not, states do
 * not say whether its delta was too large or had nothing of the previous content: that is `delta-too-large`.
 * Memory: an entry for each hard-link group.
 *
 * @throws BackupError IBT_NO_BACKUP, and what reading a state throws.
 */
export async function whyBackup(key: string, options: AtOptions = {}): Promise<BackupReason> {
  const { codecs, signal } = options
  const chain = await Chain.open(openPlaces(options).cached, key, { codecs, signal })
  const backup = chain.at(await parseAt(options.at))
  const { date } = backup
  const { header } = await chain.ends(date)
  const { kind, fullReason } = header
  const link = backupLinks(header.chain).at(-2)
  const parent = link?.asOf ?? link?.date
  const found = await NewFiles.read(chain, date, header.date)
  const toFile = kind === 'full' ? toStoredByFull : await byParent(chain, parent, found.largest)
  const largest = found.largest.map(file => toFile(file))
  const sizes = { storedBytes: backup.sizeBytes, newFiles: found.files, newBytes: found.bytes }
  return { key, date, kind, fullReason, parent, ...sizes, largest }
}

function toStoredByFull(file: NewFile): StoredFile {
  return toStored(file, undefined, 'full')
}

function toStored({ entry, storedBytes }: NewFile, previous: StateEntry | undefined, reason: StoredReason): StoredFile {
  const { path, sizeBytes = 0, dirty } = entry
  return { path, change: previous?.type === 'file' ? 'updated' : 'created', sizeBytes, storedBytes, reason, dirty }
}

/** What the state of the parent says of a few files. */
async function byParent(chain: Chain, parent: string | undefined, files: readonly NewFile[]) {
  if (parent === undefined || !chain.backups.some(({ date }) => date === parent)) {
    return (file: NewFile) => toStored(file, undefined, isDelta(file.entry) ? 'delta' : 'unknown')
  }
  const wanted = new Set(files.map(({ entry }) => entry.path))
  const last = [...wanted].sort(comparePaths).at(-1)
  const found = new Map<string, StateEntry>()
  for await (const item of batchesOf(chain.entries(parent))) {
    chain.options.signal?.throwIfAborted()
    let path = ''
    for (const entry of isBatch(item) ? item : [item]) {
      path = entry.path
      if (wanted.has(path)) found.set(path, entry)
    }
    if (last === undefined || comparePaths(path, last) >= 0) break
  }
  return (file: NewFile) => {
    const previous = found.get(file.entry.path)
    return toStored(file, previous, reasonOf(chain, file.entry, previous))
  }
}

function reasonOf(chain: Chain, entry: StateEntry, previous: StateEntry | undefined): StoredReason {
  if (isDelta(entry)) return 'delta'
  if (previous === undefined) return 'new'
  if (previous.type !== 'file') return 'retyped'
  if (entry.places?.[0]?.in === 'updated') return 'nothing-in-common'
  const refused = whyNoDelta(previous, entry.sizeBytes ?? 0, checkPolicy({}))
  if (refused !== undefined) return refused
  if (previous.signature === undefined) return 'no-signature'
  return chain.has(previous.signature.date, 'sigvault') ? 'delta-too-large' : 'unknown'
}

function isDelta({ places = [] }: StateEntry): boolean {
  return places.length > 1
}
