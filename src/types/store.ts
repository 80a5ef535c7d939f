import type { Source } from './source.js'
import type { Kind } from './state.js'

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
  /** Absolute paths of directories on this machine that belong to the store: no backup reads them, no restore touches them. */
  readonly places?: readonly string[] | undefined
  /** Publishes the bytes under the name, replacing what was there: atomically or, if it fails or is aborted, not at all. */
  put(name: string, source: Source<Uint8Array>, options?: StoreOptions): Promise<void>
  /** The bytes of a name, or of a part of it. @throws BackupError IBT_NOT_FOUND, IBT_STORE_FAILED */
  get(name: string, range?: ByteRange, options?: StoreOptions): AsyncIterable<Uint8Array>
  /** Names that begin with the prefix, with their sizes, in bytewise order. */
  list(prefix?: string, options?: StoreOptions): AsyncIterable<StoredName>
  /** Removes a name. One that is not there is no error. */
  delete(name: string, options?: StoreOptions): Promise<void>
  /** Publishes only if the name is free: true if it was. */
  create?(name: string, bytes: Uint8Array, options?: StoreOptions): Promise<boolean>
  /**
   * Removes what interrupted puts of a key have left beside what is listed, and resolves to how many there were. Called
   * by the holder of the key's lock, before its first `put`.
   */
  clean?(key: string): Promise<number>
}
