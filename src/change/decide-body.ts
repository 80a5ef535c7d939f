import { BackupError, isBackupError } from '../errors.js'
import { untilAbort } from '../flow/abortable.js'
import { deltaBytes, type LoadedSignature, loadSignature, type StatColumns } from '../native.js'
import { printPath } from '../path.js'
import { freshMetadata } from '../source/fresh.js'
import type { Body, Change, ChangeKind, Entry, Origin, Origins, Signed, Summary, WholeReason } from '../types.js'
import { kindOfRead } from './compare.js'
import { metadataOf } from './metadata.js'
import { type Policy, pays, whyNoDelta } from './policy.js'
import type { Maps } from './use-map.js'

const CHANGES: ReadonlySet<ChangeKind> = new Set<ChangeKind>(['created', 'updated', 'deleted', 'unchanged', 'touched'])

/** A content in memory, and what is known of it. */
export interface InMemory {
  readonly bytes: Uint8Array
  readonly summary: Summary
}

/** How contents become bodies. */
export interface DecideContext {
  readonly policy: Policy
  readonly origins?: Origins | undefined
  /** Where the source knows changed blocks: then the digests of large signatures are recorded, too. */
  readonly maps?: Maps | undefined
  readonly signal?: AbortSignal | undefined
}

/** Decides between whole, delta and nothing for a content in memory. */
export async function decideBody(item: Change, content: InMemory, context: DecideContext): Promise<Signed> {
  const { origins, signal } = context
  const { previous } = item
  const { dirty, racy, sha256, sizeBytes } = content.summary
  if (item.change === 'updated' && previous !== undefined) {
    const change = kindOfRead(item, previous, { sha256 })
    if (change !== 'updated') return { ...item, change, dirty, racy }
  }
  const sought = sizeBytes > 0 ? origins?.ofContent(sha256, sizeBytes) : undefined
  const same = sought && (await untilAbort(sought, signal))
  if (same !== undefined) return { ...item, dirty, racy, origin: same.entry }
  let reason: WholeReason | undefined
  for await (const origin of basesOf(item, context)) {
    const isOwn = origin.entry === previous
    const delta = await deltaOf(origin, content, context)
    if (typeof delta !== 'string') {
      return { ...item, dirty, racy, origin: isOwn ? undefined : origin.entry, body: delta }
    }
    if (isOwn) reason = delta
  }
  return { ...item, dirty, racy, body: wholeBody(content, reason) }
}

/** What a content may begin with, the likeliest first: what had its inode, was under its path, had a similar name. */
export async function* basesOf(
  item: Change,
  { origins, policy, signal }: DecideContext
): AsyncGenerator<Origin, void, undefined> {
  const { previous, basis, sizeBytes = Infinity, ino } = item
  const own = previous && { entry: previous, basis }
  const others = sizeBytes >= policy.signedMinBytes ? origins : undefined
  if (own !== undefined && previous?.ino === ino) yield own
  else {
    const moved = others && (await untilAbort(others.ofInode(item), signal))
    if (moved !== undefined) yield moved
    if (own !== undefined) yield own
  }
  const rotated = others && (await untilAbort(others.ofName(item), signal))
  if (rotated !== undefined) yield rotated
}

async function deltaOf(
  origin: Origin,
  { bytes, summary }: InMemory,
  { policy, signal }: DecideContext
): Promise<Body | WholeReason> {
  const refused = whyNoDelta(origin.entry, bytes.length, policy)
  if (refused !== undefined) return refused
  const made = await withBasis(origin, signal, signature => deltaBytes(signature, bytes, signal))
  if (made === undefined) return whyNoBasis(origin)
  const { delta, copies } = made
  if (copies === 0) return 'nothing-in-common'
  if (!pays(delta.length, origin.entry, bytes.length, policy)) return 'delta-too-large'
  return { form: 'delta', parts: [delta], result: () => ({ ...summary, copies }) }
}

export function wholeBody({ bytes, summary }: InMemory, reason?: WholeReason): Body {
  const parts = bytes.length === 0 ? [] : [bytes]
  return { form: 'whole', sizeBytes: bytes.length, reason, parts, result: () => summary }
}

/** Why `loadBasis` has found no signature. */
export function whyNoBasis({ basis }: Origin): WholeReason {
  return basis === undefined ? 'no-signature' : 'signature-lost'
}

/** The basis' signature; undefined if it is gone or damaged: the content is stored whole then. */
export function loadBasis(origin: Origin, signal?: AbortSignal): Promise<LoadedSignature | undefined> {
  return withBasis(origin, signal, signature => loadSignature(signature, signal))
}

async function withBasis<T>(
  { basis }: Origin,
  signal: AbortSignal | undefined,
  use: (signature: Uint8Array) => Promise<T>
): Promise<T | undefined> {
  if (basis === undefined) return undefined
  try {
    const signature = await untilAbort(basis(), signal)
    return signature && (await use(signature))
  } catch (error) {
    if (!signal?.aborted && isBackupError(error) && error.code !== 'IBT_STORE_FAILED') return undefined
    throw error
  }
}

/**
 * An entry of a full is as good as created.
 * New fields come before a spread, here and in every stage: behind one, each takes microseconds.
 */
export function asChange(entry: Entry): Change {
  if (!('change' in entry)) return { change: 'created', ...entry }
  const change = entry as Change
  if (!CHANGES.has(change.change)) throw unknownChange(change)
  return isAnother(change) ? { ...change, change: 'created' } : change
}

/** Without this, what a stage has misspelt would pass as unchanged. */
function unknownChange({ path, change }: Change): BackupError {
  const message = `${printPath(path)} has the change ${String(change)}, not ${[...CHANGES].join(', ')}`
  return new BackupError('IBT_STATE_INVALID', message, { path })
}

/** Whether a stage behind `diff` has made something else of what was unchanged: the previous backup does not have that. */
function isAnother({ change, type, linkname, carried, previous }: Change): boolean {
  if (previous === undefined || carried || (change !== 'unchanged' && change !== 'touched')) return false
  return type !== previous.type || linkname !== previous.linkname
}

/** What could not be read keeps what was there before; new, or in the place of a directory, it is unreadable. */
export function toUnreadable(entry: Entry, error: BackupError): Signed {
  const { previous } = asChange(entry)
  if (previous === undefined || previous.type === 'unreadable' || previous.type === 'directory') {
    return { ...metadataOf(entry), type: 'unreadable', error, change: 'created', previous }
  }
  return { ...metadataOf(previous), error, change: 'unchanged', previous, carried: true }
}

/** What was listed and is gone is deleted; new, it was never there. */
export function toVanished(entry: Entry): Signed | undefined {
  const { previous } = asChange(entry)
  return previous === undefined ? undefined : { ...metadataOf(previous), change: 'deleted', previous }
}

/** The entry as it was when its bytes were read, with what was found in them. */
export function withStat(
  entry: Entry & Partial<Change>,
  stat: StatColumns,
  i: number,
  found: Pick<Signed, 'body' | 'dirty' | 'racy'> = {}
): Signed {
  const fresh = freshMetadata(entry, stat, i)
  return {
    change: 'created',
    dirty: found.dirty,
    racy: found.racy,
    body: found.body,
    ...entry,
    mode: fresh.mode,
    uid: fresh.uid,
    gid: fresh.gid,
    uname: fresh.uname,
    gname: fresh.gname,
    mtimeNs: fresh.mtimeNs,
    ctimeNs: fresh.ctimeNs,
    ino: fresh.ino,
    sizeBytes: fresh.sizeBytes,
    sparse: fresh.sparse
  }
}
