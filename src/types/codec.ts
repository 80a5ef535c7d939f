import type { Cipher, OpenedRange } from './cipher.js'
import type { Source } from './source.js'

/** Compresses the frames of artifacts, each by itself. */
export interface Codec {
  readonly name: string
  /** What the names of artifacts end in: `.zst`; empty for none. */
  readonly suffix: string
  /** What `encode` gives shares no memory with the frame, which is used again. Default: false. */
  readonly copies?: boolean | undefined
  /** Compresses one frame to bytes that decode by themselves. */
  encode(frame: Uint8Array): Promise<Uint8Array>
  /** Decodes one stored frame to exactly `sizeBytes`. @throws BackupError IBT_ARCHIVE_CORRUPT */
  decode(stored: Uint8Array, sizeBytes: number): Promise<Uint8Array>
  /** Bytes that close the artifact: the seek table. Readers that do not know it skip it. */
  finish(frames: readonly FrameSize[]): Uint8Array
  /** Encodes one artifact, for a codec that has to remember something of it. Default: the codec itself. */
  encoder?(): ArtifactEncoder
  /** Finds the frames of a stored artifact. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
  index(read: ReadRange, storedBytes: number, name: string): Promise<FrameIndex>
  /** Reads any part of what it decodes, for a codec without frames of its own. @throws as `index` */
  ranges?(read: ReadRange, storedBytes: number, name: string): Promise<OpenedRange>
  /** Of one that reads what a cipher wrote: the cipher, and the codec of what was encrypted. */
  readonly encrypted?: { readonly cipher: Cipher; readonly inner: Codec } | undefined
  /** Decodes a stored artifact from its first byte to its last. @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED */
  decodeAll(source: Source<Uint8Array>, name: string): AsyncGenerator<Uint8Array, void, undefined>
}

/** Encodes the frames of one artifact, in order, and closes it. */
export interface ArtifactEncoder {
  /** As that of a codec. */
  encode(frame: Uint8Array): Promise<Uint8Array>
  /** Bytes that close the artifact. */
  finish(frames: readonly FrameSize[]): Uint8Array | Promise<Uint8Array>
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
  /** Reads what `storedStart` counts in, if that is not the stored artifact itself: what another codec decodes. */
  readonly read?: ReadRange | undefined
  /** Index of the frame that holds the byte at an offset below `sizeBytes`. */
  find(offset: number): number
}
