import type { ArchiveKind, SealedArtifact } from './artifact.js'
import type { Metadata } from './metadata.js'

/** Where a body is: an entry of an archive. */
export interface Place {
  /** Date of the backup that holds it; empty in the one that is being made. */
  readonly date: string
  readonly in: ArchiveKind
  /** Of the entry's first header block in the uncompressed tar. */
  readonly offset: number
  /** The path that the entry had there, if another. */
  readonly path?: string | undefined
  /** Bytes of the delta; a whole content has the bytes that the state entry says. */
  readonly sizeBytes?: number | undefined
}

/** Where a signature is: an entry of that date's sigvault. */
export interface SignaturePlace {
  readonly date: string
  readonly offset: number
}

/**
 * Digest of the librsync signature of a content: of all of its blocks (RabinKarp, BLAKE2b). It proves a content whose
 * SHA-256 nobody knows, because not all of it was read.
 */
export interface SignatureDigest {
  readonly blockLen: number
  /** Bytes of a strong sum. */
  readonly strongLen: number
  /** Of the signature, in hex. */
  readonly sha256: string
}

/** What a content is known by. */
export interface ContentDigests {
  /** Of the content, in hex. */
  readonly sha256?: string | undefined
  readonly signatureDigest?: SignatureDigest | undefined
}

/** Names a body by where it is. */
export type PlaceName = Pick<Place, 'date' | 'in' | 'offset'>

/** One entry of a state. */
export interface StateEntry extends Metadata, ContentDigests {
  /** Oldest first: the whole and each delta on it. */
  readonly places?: readonly Place[] | undefined
  readonly signature?: SignaturePlace | undefined
  readonly dirty?: boolean | undefined
  readonly carried?: boolean | undefined
  readonly racy?: boolean | undefined
  /**
   * In hex, what the content had before: a run that believed no metadata found another content under the same size and
   * mtime. Bit rot is suspected; the content that is expected is in the backup before.
   */
  readonly expectedSha256?: string | undefined
  /** Of an `unreadable` entry: when its content was erased from all backups. */
  readonly erased?: string | undefined
}

/** An entry of a merged state. */
export interface MergedEntry extends StateEntry {
  /**
   * Last bodies of the same content as other states name them: in those, all bodies up to one of these, and it, are
   * replaced by the places of this entry.
   */
  readonly knownAs?: readonly PlaceName[] | undefined
}

/** An artifact that a state needs. */
export interface Artifact extends SealedArtifact {
  readonly date: string
}

/** Counts of one run. */
export interface Totals {
  readonly entries: number
  readonly files: number
  readonly sizeBytes: number
  readonly created: number
  readonly updated: number
  readonly touched: number
  readonly deleted: number
  readonly unchanged: number
  readonly unreadable: number
  readonly carried: number
  readonly dirty: number
}

/** Names a backup. */
export interface BackupId {
  readonly key: string
  /** `YYYYMMDDTHHMMSS.mmmZ` */
  readonly date: string
  /** The date that users ask for, of an artifact that stands for one of another backup. */
  readonly asOf?: string | undefined
}

/** A backup that a state's places refer to. The last link is the state's own and has no digest. */
export interface ChainLink {
  readonly date: string
  /** Of the state artifact as stored, in hex. */
  readonly stateSha256?: string | undefined
  /** Of a merged backup: the date that it stands for, by which it is ordered. */
  readonly asOf?: string | undefined
}

/** Which state a merged one stands for. */
export interface StandsFor {
  readonly date: string
  /** Of that state as stored, in hex. */
  readonly sha256: string
  /** Only bodies of later dates are replaced: without it, all are. */
  readonly after?: string | undefined
}

/** Why a backup is a full. */
export type FullReason =
  /** The key had no backup. */
  | 'first'
  | 'asked'
  /** The newest backup cannot be read, or an artifact that it needs is gone. */
  | 'parent-damaged'
  /** The newest backup is encrypted, and no key was given. */
  | 'parent-locked'
  /** The chain has as many incrementals as it may have. */
  | 'chain-too-long'
  /** A restore reads so much more than it would of a full. */
  | 'restore-too-large'
  /** The backups up to its date were merged. */
  | 'merged'

/** First line of a state. */
export interface StateHeader extends BackupId {
  readonly kind: 'full' | 'incremental'
  /** Wall clock at the start. */
  readonly startedNs: bigint
  /** Absolute path of the source, escaped as entry paths are. */
  readonly root: string
  readonly host: string
  /** Names the source where path and host do not. */
  readonly sourceId?: string | undefined
  readonly options?: Readonly<Record<string, unknown>> | undefined
  /** Why it is a full: a `FullReason`, or one of a later writer. */
  readonly fullReason?: string | undefined
  /** Oldest first: the full and each incremental up to this one. */
  readonly chain: readonly ChainLink[]
  /** Of a merged state. */
  readonly standsFor?: StandsFor | undefined
  /** Features without which a reader must not go on. */
  readonly requires?: readonly string[] | undefined
}

/** Last line of a state. */
export interface StateClosing {
  readonly totals: Totals
  /** Every artifact of any date that an entry needs, with the name, size and digest it was sealed with. */
  readonly artifacts: readonly Artifact[]
  /** Of all lines before the closing line, with their line feeds, in hex. */
  readonly linesSha256?: string | undefined
}
