import type { Codec, ReadRange } from './codec.js'
import type { Source } from './source.js'

/** What a cipher is told of what it seals. */
export interface SealContext {
  /** The name that the artifact gets, with the cipher's suffix; undefined for what is not an artifact. */
  readonly name?: string | undefined
  readonly signal?: AbortSignal | undefined
}

/** What was encrypted, for reading at any place. */
export interface OpenedRange {
  /** Bytes of what was encrypted. */
  readonly sizeBytes: number
  /** Reads what was encrypted. The bytes may be shared: nobody writes to them. */
  readonly read: ReadRange
}

/**
 * A stream cipher over whole stored artifacts: `encrypt(cipher)` writes with it. In the option `codecs` it is what reads
 * the artifacts that end in its suffix.
 */
export interface Cipher {
  readonly name: string
  /** What the names of artifacts get behind the codec's suffix, such as `.age`. */
  readonly suffix: string
  /**
   * What it can open again: everything (the default), the states and signatures that it has sealed itself, or nothing,
   * for want of a key.
   */
  readonly opens?: 'all' | 'states' | 'none' | undefined
  /** Whether it can seal: it has recipients, or a secret of its own. Default: true. */
  readonly seals?: boolean | undefined
  /** Encrypts an artifact. The bytes that it yields are handed over. */
  seal(source: Source<Uint8Array>, context: SealContext): AsyncIterable<Uint8Array>
  /**
   * Decrypts an artifact from its first byte to its last.
   *
   * @throws BackupError IBT_KEY_MISSING, IBT_KEY_WRONG; IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED for other bytes than
   * were sealed
   */
  open(source: Source<Uint8Array>, name: string): AsyncIterable<Uint8Array>
  /** Decrypts any part of an artifact. Without it, artifacts are decrypted from their start and spooled. @throws as `open` */
  openRange?(read: ReadRange, storedBytes: number, name: string): Promise<OpenedRange>
  /** The bytes that were encrypted, by the stored ones and without a key. @throws BackupError IBT_ARCHIVE_CORRUPT */
  sizeOf?(read: ReadRange, storedBytes: number, name: string): Promise<number>
  /** Refuses what it cannot have sealed, as far as this is seen without a key. `sizeBytes`: of what was encrypted. */
  checkSealed?(sealed: Uint8Array, sizeBytes: number): Promise<void>
}

/** What reads artifacts: a codec, or the cipher that they were encrypted with. */
export type Reading = Codec | Cipher
