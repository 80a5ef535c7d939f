import type { Kind } from './artifact.js'
import type { Source } from './source.js'

/** Random access to the bytes of an archive before compression. */
export interface Archive {
  readonly name: string
  readonly sizeBytes: number
  /** Bytes in one piece. @throws BackupError IBT_ARCHIVE_TRUNCATED beyond the end, IBT_ARCHIVE_CORRUPT */
  read(offset: number, length: number): Promise<Uint8Array>
  /** Bytes frame by frame, however many. @throws as `read` */
  bytes(offset: number, length: number): AsyncIterable<Uint8Array>
  /**
   * As `read`, but may be part of a larger block of memory, and where at least `least` of the bytes are in one frame, it
   * may be those alone. Default: `read`.
   */
  view?(offset: number, length: number, least?: number): Promise<Uint8Array>
  /** The decoded frame with the byte at an offset, and where it begins. Default: some bytes around it are read. */
  frame?(offset: number): Promise<{ readonly start: number; readonly bytes: Uint8Array }>
  /** As `view`, of what is at hand; undefined: it is not. */
  held?(offset: number, length: number, least?: number): Uint8Array | undefined
}

/** Finds the archive of a date. @throws BackupError IBT_BASIS_MISSING */
export type OpenArchive = (date: string, kind: Kind) => Archive | Promise<Archive>

/** Bytes `start` up to but not including `end`. */
export interface ByteRange {
  readonly start: number
  readonly end?: number | undefined
}

/** What a store lists. */
export interface StoredName {
  readonly name: string
  readonly sizeBytes: number
  /** Until when the store neither deletes nor replaces the name: in ms since 1970, where its list can say so. */
  readonly retainedUntilMs?: number | undefined
  /** Where the name cannot be read now: `frozen` until `thaw` is called, then `thawing` until it is done. */
  readonly cold?: 'frozen' | 'thawing' | undefined
}

/** What every call of a store takes. */
export interface StoreOptions {
  readonly signal?: AbortSignal | undefined
}

/** What a list takes. */
export interface ListingOptions extends StoreOptions {
  /** Say `retainedUntilMs` also where the list of the server does not: that may take a request for each artifact. */
  readonly withRetention?: boolean | undefined
}

/**
 * Where artifacts live: four calls, and more where they can be had. docs/stores.md says how a run calls them, and the
 * conformance suite tests what each promises.
 *
 * A rejected call means "unknown": the work may have been done. Certain are two things: a `put` whose source failed has
 * published nothing, and a call that was aborted before it began has done nothing. A missing name is IBT_NOT_FOUND, every
 * other error IBT_STORE_FAILED; nothing is called again because it failed, so a store tries transient errors again itself.
 * A call that is aborted rejects with the signal's reason, when it has stopped.
 */
export interface Store {
  /** Tells this store from others, for the cache: the same at every run. */
  readonly id: string
  /**
   * Absolute paths of directories on this machine that belong to the store: no backup reads them, no restore touches
   * them. A store that wraps another one keeps its places.
   */
  readonly places?: readonly string[] | undefined
  /**
   * Publishes the bytes under the name, in place of what was there: as a whole when the source has ended, or not at all.
   * Rejects with the error of the source if that fails. At least five run at a time, each at its own pace.
   */
  put(name: string, source: Source<Uint8Array>, options?: StoreOptions): Promise<void>
  /**
   * The bytes of a name, or of a part of it, in memory of the caller's. A range may end behind the end.
   * @throws BackupError IBT_NOT_FOUND, IBT_ARCHIVED for a name that has to be thawed before, IBT_STORE_FAILED
   */
  get(name: string, range?: ByteRange, options?: StoreOptions): AsyncIterable<Uint8Array>
  /** Names that begin with the prefix, with their sizes, in bytewise order: those whose `put` has resolved. */
  list(prefix?: string, options?: ListingOptions): AsyncIterable<StoredName>
  /**
   * Removes a name. A missing one is not an error. When it has resolved, `list` does not show the name.
   * @throws BackupError IBT_RETAINED for a name that is retained; so does `put`
   */
  delete(name: string, options?: StoreOptions): Promise<void>
  /** Publishes only if the name is free: true if it was. Of many calls at a time, one is told so. */
  create?(name: string, bytes: Uint8Array, options?: StoreOptions): Promise<boolean>
  /**
   * Write once: from now until a time, in ms since 1970, nobody can delete or replace the name through the store. A time
   * before that of an earlier call changes nothing.
   * @throws BackupError IBT_NOT_FOUND
   */
  retain?(name: string, untilMs: number, options?: StoreOptions): Promise<void>
  /**
   * Asks for a name that is `frozen` to become readable, which may take days. Resolves when it has been asked for. One
   * that is not frozen stays as it is.
   * @throws BackupError IBT_NOT_FOUND
   */
  thaw?(name: string, options?: StoreOptions): Promise<void>
  /**
   * Removes what interrupted puts of a key have left beside what is listed, and resolves to how many there were. Called
   * by the holder of the key's lock, before its first `put`.
   */
  clean?(key: string): Promise<number>
}
