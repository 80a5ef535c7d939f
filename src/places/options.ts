import type { Codec, Store } from '../types.js'

/** Where the backups of a key are. */
export interface PlaceOptions {
  /** A store, a URL, or the path of a directory. Default: `IBT_STORE`, else the directory for temporary files. */
  readonly store?: Store | string | undefined
  /** Local copies of states and sigvaults. Default: `IBT_CACHE`, else the user's cache directory; false: none. */
  readonly cache?: Store | string | false | undefined
  /** Codecs of your own that backups may have been written with, to read them. Those of this package are known. */
  readonly codecs?: readonly Codec[] | undefined
  readonly signal?: AbortSignal | undefined
}

/** Which backup of a key. */
export interface AtOptions extends PlaceOptions {
  /** The newest backup made at or before it: a `Date`, ISO, or words such as `3 days ago`. Default: the newest. */
  readonly at?: Date | string | undefined
}
