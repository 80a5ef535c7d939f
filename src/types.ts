import type { BackupError } from './errors.js'

/** Anything that can be iterated: arrays, generators, Node, streamx and web readable streams. */
export type Source<T> = AsyncIterable<T> | Iterable<T>

/** What a pipeline tells each of its stages. */
export interface StageContext {
  /** Ends the run: its reason is what the run rejects with. */
  readonly signal?: AbortSignal | undefined
}

/** Turns the items it knows into others and passes every other item on, in order. Pulls nothing until it is pulled. */
export type Stage<A, B = A> = (source: Source<A>, context?: StageContext) => AsyncGenerator<B, void, undefined>

/** Consumes a whole source. */
export type Sink<A, R = void> = (source: Source<A>, context?: StageContext) => Promise<R>

/** `unreadable`: it is there, but what it is or holds could not be read; `Entry.error` says why. */
export type EntryType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'fifo'
  | 'socket'
  | 'character-device'
  | 'block-device'
  | 'unreadable'

/** What is known of an entry without its content. */
export interface Metadata {
  /**
   * Relative, '/' between parts, no '.', '..' or empty part; the root itself is `.`.
   * Bytes that are not UTF-8 are surrogate escapes (0xNN is U+DCNN): `path.ts` converts.
   */
  readonly path: string
  readonly type: EntryType
  /** Permission bits with setuid, setgid and sticky: `& 0o7777`. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly uname?: string | undefined
  readonly gname?: string | undefined
  readonly mtimeNs: bigint
  readonly ctimeNs?: bigint | undefined
  readonly ino?: bigint | undefined
  /** Bytes of a file's content. */
  readonly sizeBytes?: number | undefined
  /** The file has holes: runs of zeros that take no room on its disk. */
  readonly sparse?: boolean | undefined
  /** Target of a symlink, escaped as `path` is. */
  readonly linkname?: string | undefined
  /** Ordinal of the hard-link group that the entry belongs to; the same for all its members in one run. */
  readonly link?: number | undefined
  readonly devMajor?: number | undefined
  readonly devMinor?: number | undefined
  readonly xattrs?: ReadonlyMap<string, Uint8Array> | undefined
}

/** The bytes of a file. Opened at most once; a sequential one (out of a tar) dies at the next pull, which drains it. */
export interface Content {
  /** The bytes, in order. Nothing is opened before the first pull. */
  open(): Source<Uint8Array>
  /** All of a small content at once, instead of `open`; may be part of a larger block: what keeps it copies it. What replaces `open` leaves it out. */
  readonly read?: (() => Promise<Uint8Array>) | undefined
}

/** A thing in a tree. */
export interface Entry extends Metadata {
  readonly content?: Content | undefined
  /** Why the entry is `unreadable`. */
  readonly error?: BackupError | undefined
}

/** What an entry is against the previous state; `touched`: only its metadata changed. */
export type ChangeKind = 'created' | 'updated' | 'deleted' | 'unchanged' | 'touched'

/** An entry compared with the previous state. `touched`: only metadata changed. A deleted one has its last metadata. */
export interface Change extends Entry {
  readonly change: ChangeKind
  readonly previous?: StateEntry | undefined
  /** Reads the signature (librsync's bytes) of the previous content; undefined if it is gone. */
  readonly basis?: (() => Promise<Uint8Array | undefined>) | undefined
  /** It could not be read: what was there before is kept. */
  readonly carried?: boolean | undefined
}

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

/** What one pass over a content found. */
export interface Summary {
  readonly sizeBytes: number
  /** Of the bytes that were read, in hex; empty if nobody computed it. */
  readonly sha256: string
  /** librsync's bytes; absent if the content is too small to be signed. */
  readonly signature?: Uint8Array | undefined
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

/** What is to be stored of a content. */
export interface Body {
  readonly form: 'whole' | 'delta'
  /** Bytes of a whole body, known before the first part; a delta's are not. */
  readonly sizeBytes?: number | undefined
  /** Of a whole sparse body: where it holds data, known before the first part. The archive leaves the holes out. */
  readonly extents?: readonly Extent[] | undefined
  /** Of a whole body: its bytes, exactly `sizeBytes`. Of a delta: parts of at most `PART_BYTES`, each stored as one entry. */
  readonly parts: Source<Uint8Array>
  /** After the last part. */
  result(): Summary
}

/** A change with what is to be stored of it. */
export interface Signed extends Change {
  /** Another entry of the previous state whose content it has, or begins with. */
  readonly origin?: StateEntry | undefined
  readonly body?: Body | undefined
  /** An earlier member of the same hard-link group in this run, with the same content. */
  readonly linkTo?: string | undefined
  /** Changed so shortly before the read that its times prove nothing. */
  readonly racy?: boolean | undefined
  /** It changed under every read. */
  readonly dirty?: boolean | undefined
}

/** Kinds of artifact. A full backup has full, sigvault, state; an incremental created, updated, sigvault, state. */
export type Kind = 'full' | 'created' | 'updated' | 'sigvault' | 'state'
/** Kinds of artifact that hold contents. */
export type ArchiveKind = 'full' | 'created' | 'updated'

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

/** One entry of a state. */
export interface StateEntry extends Metadata {
  readonly sha256?: string | undefined
  /** Oldest first: the whole and each delta on it. */
  readonly places?: readonly Place[] | undefined
  readonly signature?: SignaturePlace | undefined
  readonly dirty?: boolean | undefined
  readonly carried?: boolean | undefined
  readonly racy?: boolean | undefined
}

/** One stored body of a content: the whole, or a delta on all that come before it. */
export interface Layer {
  readonly form: 'whole' | 'delta'
  /** The bytes as they are stored, of a delta librsync's. Nothing is opened before the first pull. */
  open(): Source<Uint8Array>
  /** As that of `Content`, of a small body. */
  readonly read?: (() => Promise<Uint8Array>) | undefined
}

/** An entry of a backup with what is stored of its content, oldest first. */
export interface Layered extends Entry {
  readonly layers?: readonly Layer[] | undefined
  /** Of the content, in hex. */
  readonly sha256?: string | undefined
}

/** Random access to the bytes of an archive before compression. */
export interface Archive {
  readonly name: string
  readonly sizeBytes: number
  /** Bytes in one piece. @throws BackupError IBT_ARCHIVE_TRUNCATED beyond the end, IBT_ARCHIVE_CORRUPT */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Bytes frame by frame, however many. @throws as `read` */
  bytes(offset: number, length: number): AsyncIterable<Uint8Array>
  /** As `read`, but may be part of a larger block of memory. Default: `read`. */
  view?(offset: number, length: number): Promise<Uint8Array>
  /** As `view`, of what is at hand; undefined: it is not. */
  held?(offset: number, length: number): Uint8Array | undefined
}

/** Finds the archive of a date. @throws BackupError IBT_BASIS_MISSING */
export type OpenArchive = (date: string, kind: Kind) => Archive | Promise<Archive>

/** A change whose bytes have gone ahead of it. */
export interface Packed extends Change {
  /** What the state is to say of it; undefined for a deleted one. */
  readonly state: StateEntry | undefined
  /** Bytes that were stored of it, before compression. */
  readonly storedBytes: number
}

/** At most `FRAME_BYTES` of one artifact, cut at an entry border where it can be. */
export interface Piece {
  readonly kind: Kind
  readonly frame: Uint8Array
}

/** Bytes of one artifact as they are stored. */
export interface Chunk {
  readonly name: string
  readonly kind: Kind
  readonly bytes: Uint8Array
}

/** An artifact is complete. `sha256` (hex) and `sizeBytes` are of the bytes as stored. */
export interface Sealed {
  readonly name: string
  readonly kind: Kind
  readonly sizeBytes: number
  readonly sha256: string
}

/** An artifact that a state needs. */
export interface Artifact extends Sealed {
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

/** Says that a backup's entries are counted; the last item before the state is sealed. */
export interface Counted {
  readonly totals: Totals
}

/** Names a backup. */
export interface BackupId {
  readonly key: string
  /** `YYYYMMDDTHHMMSS.mmmZ` */
  readonly date: string
}

/** A backup that a state's places refer to. The last link is the state's own and has no digest. */
export interface ChainLink {
  readonly date: string
  /** Of the state artifact as stored, in hex. */
  readonly stateSha256?: string | undefined
}

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
  /** Oldest first: the full and each incremental up to this one. */
  readonly chain: readonly ChainLink[]
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

/** Bytes `start` up to but not including `end`. */
export interface ByteRange {
  readonly start: number
  readonly end?: number | undefined
}

/** What a store lists. */
export interface StoredName {
  readonly name: string
  readonly sizeBytes: number
}

/** What every call of a store takes. */
export interface StoreOptions {
  readonly signal?: AbortSignal | undefined
}

/** Where artifacts live: four calls, and a fifth where it can be had. The conformance suite says what each promises. */
export interface Store {
  /** Tells this store from others, for the cache. */
  readonly id: string
  /** Publishes the bytes under the name, replacing what was there: atomically or, if it fails or is aborted, not at all. */
  put(name: string, source: Source<Uint8Array>, options?: StoreOptions): Promise<void>
  /** The bytes of a name, or of a part of it. @throws BackupError IBT_STORE_FAILED, also if there is no such name */
  get(name: string, range?: ByteRange, options?: StoreOptions): AsyncIterable<Uint8Array>
  /** Names that begin with the prefix, with their sizes, in bytewise order. */
  list(prefix?: string, options?: StoreOptions): AsyncIterable<StoredName>
  /** Removes a name. One that is not there is no error. */
  delete(name: string, options?: StoreOptions): Promise<void>
  /** Publishes only if the name is free: true if it was. */
  create?(name: string, bytes: Uint8Array, options?: StoreOptions): Promise<boolean>
}

/** Compresses the frames of artifacts, each by itself. */
export interface Codec {
  readonly name: string
  /** What the names of artifacts end in: `.zst`; empty for none. */
  readonly suffix: string
  /** Compresses one frame to bytes that decode by themselves. */
  encode(frame: Uint8Array): Promise<Uint8Array>
  /** Decodes one stored frame to exactly `sizeBytes`. @throws BackupError IBT_ARCHIVE_CORRUPT */
  decode(stored: Uint8Array, sizeBytes: number): Promise<Uint8Array>
  /** Bytes that close the artifact: the seek table. Readers that do not know it skip it. */
  finish(frames: readonly FrameSize[]): Uint8Array
  /** Finds the frames of a stored artifact. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
  index(read: ReadRange, storedBytes: number, name: string): Promise<FrameIndex>
  /** Decodes a stored artifact from its first byte to its last. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
  decodeAll(source: Source<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void, undefined>
}

/** Bytes of one frame as it is stored, and before compression. */
export interface FrameSize {
  readonly storedBytes: number
  readonly sizeBytes: number
}

/** Reads the stored bytes `start` up to but not including `end`. */
export type ReadRange = (start: number, end: number) => Promise<Uint8Array>

/** A frame and where it is: `storedStart` in the artifact, `start` in what it decodes to. */
export interface PlacedFrame extends FrameSize {
  readonly storedStart: number
  readonly start: number
}

/** The frames of an artifact. */
export interface FrameIndex {
  readonly frames: number
  /** Of the decoded artifact. */
  readonly sizeBytes: number
  /** A frame by its number, below `frames`. */
  frame(index: number): PlacedFrame
  /** Index of the frame that holds the byte at an offset below `sizeBytes`. */
  find(offset: number): number
}

/** Tells a `Piece` from other items. */
export function isPiece(item: object): item is Piece {
  return 'frame' in item
}
/** Tells a `Chunk` from other items. */
export function isChunk(item: object): item is Chunk {
  return 'bytes' in item
}
/** Tells a `Sealed` from other items. */
export function isSealed(item: object): item is Sealed {
  return 'sha256' in item && !('path' in item)
}
/** Tells a `Counted` from other items. */
export function isCounted(item: object): item is Counted {
  return 'totals' in item
}
/** Tells an `Entry`, and all that is made of one, from other items. */
export function isEntry(item: object): item is Entry {
  return 'path' in item
}
/** Tells a `Packed` from other items. */
export function isPacked(item: object): item is Packed {
  return 'state' in item
}
