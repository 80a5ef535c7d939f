import type { Entry } from './entry.js'
import type { Metadata } from './metadata.js'
import type { StateEntry } from './state.js'

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
