import type { Entry } from './entry.js'
import type { Extent } from './item.js'
import type { Metadata } from './metadata.js'
import type { Source } from './source.js'
import type { ContentDigests, StateEntry } from './state.js'

/** What an entry is against the previous state; `touched`: only its metadata changed. */
export type ChangeKind = 'created' | 'updated' | 'deleted' | 'unchanged' | 'touched'

/** An entry compared with the previous state. `touched`: only metadata changed. A deleted one has its last metadata. */
export interface Change extends Entry {
  readonly change: ChangeKind
  readonly previous?: StateEntry | undefined
  /** Reads the signature (librsync's bytes) of the previous content; undefined if it is gone. */
  readonly basis?: (() => Promise<Uint8Array | undefined>) | undefined
  /** In hex, of a file that is read though neither its size nor its mtime differ: another content is suspected of bit rot. */
  readonly expectedSha256?: string | undefined
  /** It could not be read: all fields are those of the previous state. */
  readonly carried?: boolean | undefined
}

/** The content that a map of changed blocks has to begin with. */
export interface MapBasis extends ContentDigests {
  /** Date of the backup that has it: the one that is built on. */
  readonly date: string
  readonly sizeBytes: number
}

/** What has changed in a content since a backup, as its source knows it. Only these blocks are read. */
export interface ChangedBlocks {
  /**
   * The backup that the map begins at: its date, or the SHA-256 that the content had then, in hex. If that is not what
   * the new backup builds on, the map is not used.
   */
  readonly since: string
  /**
   * Bytes that may differ from those of then, in any order; they may overlap, and reach beyond the end. Where the size has
   * changed, what is behind the end of the shorter one need not be named.
   */
  readonly extents: Source<Extent>
}

/** Finds what has changed in a file; undefined if nobody knows: then the file is read whole. */
export type FindChangedBlocks = (
  entry: Change,
  basis: MapBasis
) => ChangedBlocks | undefined | Promise<ChangedBlocks | undefined>

/** Why a map of changed blocks was not used, and the file was read whole. */
export type UnusedMapReason =
  /** The map begins at another backup than the one that is built on. */
  | 'other-basis'
  /** That backup has a content that could not be read then, or changed under the read, or was changed on its way. */
  | 'basis-in-doubt'
  /** No digest of the signature was recorded, as in a backup made without `changedBlocks`, or the signature is lost. */
  | 'no-signature'
  /** The content has no `readRange`. */
  | 'no-ranges'
  /** So much has changed that a delta would not pay. */
  | 'most-changed'
  /** The map could not be read, or makes no sense. */
  | 'map-failed'

/** What became of the map of a file. */
export type MapUse =
  | { readonly isUsed: true; readonly readBytes: number }
  | { readonly isUsed: false; readonly reason: UnusedMapReason; readonly message?: string | undefined }

/** A content of the previous state, to be stored again under another path. */
export interface Origin {
  /** As it was, but for its places, which all say their path. */
  readonly entry: StateEntry
  /** As that of `Change`. */
  readonly basis: (() => Promise<Uint8Array | undefined>) | undefined
}

/** Finds contents of the previous state under other paths than the one that is asked for. */
export interface Origins {
  /** The very content: SHA-256 in hex, and size. A promise only where it has to be waited for. */
  ofContent(sha256: string, sizeBytes: number): Promise<Origin | undefined> | undefined
  /** A content with a signature that was in the entry's inode, under a similar name: what the entry may begin with. */
  ofInode(entry: Metadata): Promise<Origin | undefined>
  /** The same, of a name that differs in numbers only, and of the nearest size. */
  ofName(entry: Metadata): Promise<Origin | undefined>
}
