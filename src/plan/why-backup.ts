import { Largest, type StoredFile, type StoredReason } from '../change/largest.js'
import { checkPolicy, whyNoDelta } from '../change/policy.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { comparePaths } from '../path.js'
import { parseAt } from '../places/at.js'
import type { AtOptions } from '../places/options.js'
import { openPlaces } from '../places/places.js'
import { Chain } from '../stores/chain.js'
import type { StateEntry } from '../types.js'

/** Bytes of the shortest header of an entry in a tar. */
const HEADER_BYTES = 512

/** Why a backup is what it is, as far as states tell. */
export interface BackupReason {
  readonly key: string
  readonly date: string
  readonly kind: 'full' | 'incremental'
  /** Why it is a full: a `FullReason`, `merged`, or a word of a later version. Undefined for an incremental and in old states. */
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

/** A file whose last body is of the date. */
interface NewFile {
  readonly entry: StateEntry
  readonly storedBytes: number
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
  const { kind } = header
  const fullReason = kind === 'full' && header.standsFor !== undefined ? 'merged' : header.fullReason
  const link = header.chain.at(-2)
  const parent = link?.asOf ?? link?.date
  const { files, newFiles, newBytes } = await findLargest(chain, date, header.date)
  const toFile = kind === 'full' ? toStoredByFull : await byParent(chain, parent, files)
  const largest = files.map(file => toFile(file))
  return { key, date, kind, fullReason, parent, storedBytes: backup.sizeBytes, newFiles, newBytes, largest }
}

/** `own`: the date that its places have. */
async function findLargest(chain: Chain, date: string, own: string) {
  const largest = new Largest<NewFile>()
  const links = new Set<number>()
  const breather = createBreather()
  let [newFiles, newBytes] = [0, 0]
  const add = (file: NewFile) => {
    newFiles++
    newBytes += file.storedBytes
    largest.add(file)
  }
  // The archive has no holes: the state says only where the next file begins.
  let sparse: StateEntry | undefined
  const addSparse = (end: number) => {
    const { offset, sizeBytes } = { ...sparse!.places!.at(-1)!, sizeBytes: sparse!.sizeBytes ?? 0 }
    const room = end - offset - HEADER_BYTES
    add({ entry: sparse!, storedBytes: room > 0 ? Math.min(sizeBytes, room) : sizeBytes })
    sparse = undefined
  }
  for await (const item of batchesOf(chain.entries(date))) {
    if (breather.due()) await breather.pause()
    for (const entry of isBatch(item) ? item : [item]) {
      const last = entry.places?.at(-1)
      if (last?.date !== own || (entry.link !== undefined && links.has(entry.link))) continue
      if (entry.link !== undefined) links.add(entry.link)
      if (sparse?.places?.at(-1)?.in === last.in) addSparse(last.offset)
      if (entry.sparse && last.sizeBytes === undefined) sparse = entry
      else add({ entry, storedBytes: last.sizeBytes ?? entry.sizeBytes ?? 0 })
    }
  }
  if (sparse !== undefined) addSparse((await chain.openArchive(own, sparse.places!.at(-1)!.in)).sizeBytes)
  return { files: largest.files, newFiles, newBytes }
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
