import { createHash } from 'node:crypto'
import { metadataOf } from '../change/metadata.js'
import { SPARSE_BUFFERED_BYTES } from '../constants.js'
import { Cursor } from '../flow/cursor.js'
import { type ComposedLayers, composeLayers } from '../restore/compose-layers.js'
import { PatchedContent } from '../restore/patched.js'
import { StoredLayer } from '../restore/stored-layer.js'
import type {
  Body,
  Layer,
  MergedEntry,
  OpenArchive,
  Place,
  PlaceName,
  SignaturePlace,
  Signed,
  Source,
  StateEntry,
  Summary
} from '../types.js'
import { findExtents } from './find-extents.js'
import { LinkOnce } from './link-once.js'
import { MadeBody, toBeRecorded } from './made-body.js'

/** What is folded, and how. */
export interface Fold {
  /** The entries as they were written: which of their places stay, these say. */
  readonly written: Source<MergedEntry>
  /** The same entries with the places that their contents have now. */
  readonly entries: Source<StateEntry>
  readonly archives: OpenArchive
  /** Whether a place is of a date that is not folded. */
  readonly stays: (date: string) => boolean
  /** Whether a body that stays by its date goes all the same: what is made of it becomes whole. Default: none does. */
  readonly isLost?: ((body: PlaceName) => boolean) | undefined
  /** Entries that are stored already: they are left out, and later members of their hard-link groups are links to them. */
  readonly isStored?: ((path: string) => boolean) | undefined
  /** Reads a signature, if the backup is to have some. */
  readonly signature?: ((place: SignaturePlace) => Promise<Uint8Array | undefined>) | undefined
  readonly spoolDirectory: string
}

/**
 * Stores what the contents of a backup have of the folded dates: a content that is whole in them becomes one whole again,
 * deltas on an earlier one become one delta, and what is older stays where it is.
 *
 * Yields `Signed` for `pack`, in path order. Every content is made and proven: before its delta is stored, or while it is
 * stored whole.
 * Memory: one table entry for each hard-link group; that of `composeLayers` and of `patch` for the file that is stored.
 *
 * @throws what making a content throws.
 */
export async function* foldBodies(fold: Fold, signal?: AbortSignal): AsyncGenerator<Signed, void, undefined> {
  const { isStored = () => false } = fold
  const cursor = new Cursor(fold.written)
  const links = new LinkOnce()
  const unread = new Set<ComposedLayers>()
  try {
    for await (const entry of fold.entries) {
      const { value: written, done } = await cursor.next()
      if (done || written.path !== entry.path) throw new TypeError('foldBodies: two readings of one state')
      const last = written.places?.at(-1)
      if (entry.type !== 'file' || last === undefined || (fold.stays(last.date) && !isMadeOfLost(written, fold))) {
        if (!isStored(entry.path)) yield { ...metadataOf(entry), change: 'unchanged', previous: written }
        continue
      }
      const content = `${last.date} ${last.in} ${last.offset}`
      if (isStored(entry.path)) {
        links.store(entry, content)
        continue
      }
      yield links.link(entry, content) ?? {
        ...links.store(entry, content),
        change: 'created',
        ...(await bodyOf({ entry, written }, fold, unread, signal))
      }
    }
  } finally {
    await cursor.close()
    // Who ends before the turn of a body never opens it.
    for (const delta of unread) await delta.close()
  }
}

interface Both {
  readonly entry: StateEntry
  readonly written: MergedEntry
}

async function bodyOf(
  both: Both,
  fold: Fold,
  unread: Set<ComposedLayers>,
  signal?: AbortSignal
): Promise<Pick<Signed, 'body' | 'origin'>> {
  const { entry, written } = both
  const { archives, stays, spoolDirectory } = fold
  const layers = entry.places!.map(place => layerOf(entry, place, archives))
  const kept = isMadeOfLost(written, fold) ? 0 : entry.places!.filter(({ date }) => stays(date)).length
  if (kept > 0) {
    const before = written.places!.filter(({ date }) => stays(date))
    return {
      origin: { ...written, places: before, sha256: undefined },
      body: await foldDeltas(both, layers, kept, { ...fold, unread }, signal)
    }
  }
  const content = new PatchedContent({ ...entry, layers }, layers, { spoolDirectory, signal })
  const { sizeBytes = 0, signatureDigest, sparse } = entry
  const { blockLen } = signatureDigest ?? {}
  const sha256 = toBeRecorded(entry)
  const extents = sparse && sizeBytes > SPARSE_BUFFERED_BYTES ? await findExtents(content.open()) : undefined
  const signs = fold.signature !== undefined
  return { body: new MadeBody({ content, sizeBytes, sha256, blockLen, extents, signs }, signal) }
}

function isMadeOfLost({ places = [] }: MergedEntry, { stays, isLost }: Fold): boolean {
  const basis = isLost && places.findLast(({ date }) => stays(date))
  return basis !== undefined && isLost!(basis)
}

function layerOf(entry: StateEntry, place: Place, archives: OpenArchive): Layer {
  const isOnly = entry.places!.length === 1
  const sizeBytes = place.sizeBytes ?? (isOnly ? entry.sizeBytes : undefined)
  return new StoredLayer(place, { path: place.path ?? entry.path, offset: place.offset, sizeBytes }, archives)
}

/** One delta of all behind the first `kept` layers, which makes what the entry says. */
async function foldDeltas(
  { entry, written }: Both,
  layers: readonly Layer[],
  kept: number,
  { spoolDirectory, signature, unread }: Fold & { readonly unread: Set<ComposedLayers> },
  signal?: AbortSignal
): Promise<Body> {
  const { sizeBytes = 0 } = entry
  const sha256 = toBeRecorded(entry)
  const composed = await composeLayers(entry.path, layers.slice(kept), { spoolDirectory, signal })
  try {
    const delta: Layer = { form: 'delta', open: () => composed.open() }
    const content = new PatchedContent(entry, [...layers.slice(0, kept), delta], { spoolDirectory, signal })
    const hash = sha256 === undefined ? createHash('sha256') : undefined
    for await (const bytes of content.open()) {
      signal?.throwIfAborted()
      hash?.update(bytes)
    }
    const bytes = written.signature && (await signature?.(written.signature))
    const summary: Summary = { sizeBytes, sha256: sha256 ?? hash!.digest('hex'), signature: bytes, copies: 1 }
    unread.add(composed)
    return { form: 'delta', parts: closing(composed, unread), result: () => summary }
  } catch (error) {
    await composed.close()
    throw error
  }
}

/** The bytes of a delta, which is closed behind them. */
async function* closing(
  delta: ComposedLayers,
  unread: Set<ComposedLayers>
): AsyncGenerator<Uint8Array, void, undefined> {
  unread.delete(delta)
  try {
    yield* delta.open()
  } finally {
    await delta.close()
  }
}
