import type { BackupError } from '../errors.js'
import type { Kind, SealedArtifact } from './artifact.js'
import type { Change, MapUse } from './change.js'
import type { Entry } from './entry.js'
import type { Source } from './source.js'
import type { ContentDigests, SignatureDigest, StateEntry, Totals } from './state.js'

/** What one pass over a content found. */
export interface Summary {
  readonly sizeBytes: number
  /** Of the content, in hex; empty if nobody computed it, or not all of it was read. */
  readonly sha256: string
  /** librsync's bytes; absent if the content is too small to be signed. */
  readonly signature?: Uint8Array | undefined
  /** Of the signature, where the state is to say it. */
  readonly signatureDigest?: SignatureDigest | undefined
  /** COPY commands of a delta: one without any needs no basis. */
  readonly copies: number
  /** The content changed under the read. */
  readonly dirty?: boolean | undefined
  /** Changed so shortly before the read that its times prove nothing. */
  readonly racy?: boolean | undefined
  /** The read broke off: what was stored of it (a whole body is filled up with zeros) is not to be used. */
  readonly error?: BackupError | undefined
}

/** Bytes of a sparse file that hold data; all between the extents is zeros. */
export interface Extent {
  readonly offset: number
  readonly sizeBytes: number
}

/** Why a content is stored whole although there was a previous one that a delta could have been made of. */
export type WholeReason =
  /** The pipeline compares no contents. */
  | 'not-compared'
  /** Contents of this size are not signed. */
  | 'too-small'
  /** The previous content has no signature. */
  | 'no-signature'
  /** It had one that is deleted or damaged. */
  | 'signature-lost'
  /** There are too many deltas on it. */
  | 'chain-too-long'
  /** The deltas on it have as many bytes as the new content. */
  | 'chain-too-large'
  /** No block of the previous content is in it. */
  | 'nothing-in-common'
  /** There was a delta, and it was too large. */
  | 'delta-too-large'

/** What is to be stored of a content. */
export interface Body {
  readonly form: 'whole' | 'delta'
  /** Bytes of a whole body, known before the first part; a delta's are not. */
  readonly sizeBytes?: number | undefined
  /** Of a whole sparse body: where it holds data, known before the first part. The archive leaves the holes out. */
  readonly extents?: readonly Extent[] | undefined
  /** Of a whole body where there is a previous content. */
  readonly reason?: WholeReason | undefined
  /** Of a whole body: its bytes, exactly `sizeBytes`. Of a delta: its bytes, stored as entries of `PART_BYTES`. */
  readonly parts: Source<Uint8Array>
  /** After the last part. */
  result(): Summary
}

/** A change with the body that is to be stored. */
export interface Signed extends Change {
  /** Another entry of the previous state whose content it has, or begins with. */
  readonly origin?: StateEntry | undefined
  readonly body?: Body | undefined
  /** An earlier member of the same hard-link group in this run, with the same content. */
  readonly linkTo?: string | undefined
  /** In hex, of a content that was read and is that of before: the state before may not know it. */
  readonly foundSha256?: string | undefined
  /** What became of the map of its changed blocks. */
  readonly map?: MapUse | undefined
  /** Changed so shortly before the read that its times prove nothing. */
  readonly racy?: boolean | undefined
  /** It changed under every read. */
  readonly dirty?: boolean | undefined
}

/** One stored body of a content: the whole, or a delta on all that come before it. */
export interface Layer {
  readonly form: 'whole' | 'delta'
  /** The bytes as they are stored, of a delta librsync's. Nothing is opened before the first pull. */
  open(): Source<Uint8Array>
  /** As that of `Content`, of a small body. */
  readonly read?: (() => Promise<Uint8Array>) | undefined
  /** Opens the bytes of a whole body for reading at any position; undefined if they cannot be read like that. */
  readonly blocks?: (() => Promise<BodyBlocks | undefined>) | undefined
}

/** The bytes of a body, at any position. */
export interface BodyBlocks {
  readonly sizeBytes: number
  /** Bytes with the one at a position below `sizeBytes` among them, from `start` on: as many as are at hand. */
  at(position: number): Promise<{ readonly start: number; readonly bytes: Uint8Array }>
}

/** An entry of a backup with the stored bodies of its content, oldest first. */
export interface Layered extends Entry, ContentDigests {
  readonly layers?: readonly Layer[] | undefined
  /** Of a long content: reads its librsync signature. */
  readonly readSignature?: (() => Promise<Uint8Array>) | undefined
}

/** A change whose bytes have gone ahead of it. */
export interface Packed extends Change {
  readonly item: 'packed'
  /** What the state is to say of it; undefined for a deleted one. */
  readonly state: StateEntry | undefined
  /** Bytes that were stored of it, before compression. */
  readonly storedBytes: number
  /** As that of `Signed`. */
  readonly map?: MapUse | undefined
  /** How its content was stored, where a stage has decided that. */
  readonly reason?: 'delta' | WholeReason | undefined
}

/** At most `FRAME_BYTES` of one artifact, cut at an entry border where it can be. */
export interface Piece {
  readonly item: 'piece'
  readonly kind: Kind
  readonly frame: Uint8Array
}

/** Bytes of one artifact as they are stored. */
export interface Chunk {
  readonly item: 'chunk'
  readonly name: string
  readonly kind: Kind
  readonly bytes: Uint8Array
  /** Suffixes of the ciphers that have encrypted it. */
  readonly ciphers?: readonly string[] | undefined
}

/** An artifact is complete. */
export interface Sealed extends SealedArtifact {
  readonly item: 'sealed'
  /** Suffixes of the ciphers that have encrypted it. */
  readonly ciphers?: readonly string[] | undefined
}

/** Says that a backup's entries are counted; the last item before the state is sealed. */
export interface Counted {
  readonly item: 'counted'
  readonly totals: Totals
}

/**
 * What flows through a pipeline beside entries carries its name in `item`, which a copy keeps. An entry is whatever has a
 * path and no other name: a plain object of a caller's own is one.
 */
type Item = Partial<Packed | Piece | Chunk | Sealed | Counted>

/** Tells a `Piece` from other items. */
export function isPiece(item: object): item is Piece {
  return (item as Item).item === 'piece'
}
/** Tells a `Chunk` from other items. */
export function isChunk(item: object): item is Chunk {
  return (item as Item).item === 'chunk'
}
/** Tells a `Sealed` from other items. */
export function isSealed(item: object): item is Sealed {
  return (item as Item).item === 'sealed'
}
/** Tells a `Counted` from other items. */
export function isCounted(item: object): item is Counted {
  return (item as Item).item === 'counted'
}
/** Tells a `Packed` from other items. */
export function isPacked(item: object): item is Packed {
  return (item as Item).item === 'packed'
}
/** Tells an `Entry`, and all that is made of one, from other items. */
export function isEntry(item: object): item is Entry {
  const { item: name, path } = item as { readonly item?: unknown; readonly path?: unknown }
  // A path that is not text is refused where it is checked: an entry that passed as something else would be lost.
  return name === undefined
    ? typeof path === 'string' || (typeof item === 'object' && 'path' in item)
    : name === 'packed'
}
