import type { KeyObject } from 'node:crypto'
import type { Reading, Store } from '../types.js'

/** A key of Ed25519, or its text as `openssl` writes it (PEM). */
export type SigningKey = KeyObject | string

/** Where the backups of a key are. */
export interface PlaceOptions {
  /** A store, a URL, or the path of a directory. Default: `IBT_STORE`, else the directory for temporary files. */
  readonly store?: Store | string | undefined
  /** Local copies of states and sigvaults. Default: `IBT_CACHE`, else the user's cache directory; false: none. */
  readonly cache?: Store | string | false | undefined
  /**
   * Ciphers with a key, and codecs of your own, that backups may have been written with, to read them. The codecs of this
   * package are known.
   */
  readonly codecs?: readonly Reading[] | undefined
  /**
   * Copies of states and signatures that are kept: in place of the cache, a directory of this store alone, on the disk
   * before the store has them and never emptied. With `age({ localState })`, which remembers their keys in the same
   * directory, a machine without an identity builds on its own backups.
   */
  readonly localState?: Store | string | undefined
  /** Signs what comes and goes, and reads only what this key has signed. See docs/signing.md. */
  readonly signKey?: SigningKey | undefined
  /** Public keys: only what one of them has signed is read. */
  readonly verifyKeys?: readonly SigningKey[] | undefined
  /**
   * Change backups that are signed without `signKey`. Whoever reads with a key refuses what is added, and after a removal
   * every backup of the key, until `signBackups`. Default: such a change is refused.
   */
  readonly unsigned?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Which backup of a key. */
export interface AtOptions extends PlaceOptions {
  /** The newest backup made at or before it: a `Date`, ISO, or words such as `3 days ago`. Default: the newest. */
  readonly at?: Date | string | undefined
}
