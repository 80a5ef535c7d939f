import { addon, type Handle } from './addon.js'
import { callNative, runJob, type Subject } from './job.js'

/** Where spans begin and end, in turn. */
export type Spans = Float64Array

/**
 * Composes deltas that follow each other, the newest first, and gives what they make piece by piece. Of their literals,
 * only the bytes that the last content has are wanted: the caller puts them one behind the other.
 * One call at a time: IBT_JOB_BUSY otherwise. After a call that failed or was aborted it cannot be used: IBT_NATIVE.
 * Memory: 24 bytes a command of all lists that are in memory at once, at most 384 MiB, 16 bytes a span, and what is pulled.
 */
export interface Composer {
  /** The next piece of a delta: which spans of it are wanted. @throws BackupError IBT_BAD_MAGIC, IBT_DELTA_CORRUPT, with the path */
  feed(piece: Uint8Array): Spans
  /**
   * The delta has no more pieces. Resolves to the COPY commands of what is composed: without any, older deltas are not
   * needed. @throws BackupError IBT_INPUT_ENDED, IBT_DELTA_CORRUPT, with the path
   */
  end(signal?: AbortSignal): Promise<number>
  /** Bytes of what is composed. */
  count(signal?: AbortSignal): Promise<number>
  /** The blocks of a basis that copies need, and how many of them again if the last `kept` stay in memory. */
  blocks(basisBytes: number, blockBytes: number, kept: number): { readonly read: number; readonly again: number }
  /** Before the first `pull`: from now on the basis is what these spans of it make, one after the other. */
  compact(): Spans
  /**
   * The next `maxBytes`, or some commands more; null behind the end. `literals`: all bytes that were wanted, in memory or
   * in a file. They must not change or be closed meanwhile; those of `allocateBytes` are not copied.
   * @throws BackupError IBT_READ_FAILED, IBT_INPUT_ENDED
   */
  pull(literals: number | Uint8Array, maxBytes: number, signal?: AbortSignal): Promise<Buffer | null>
  /** `pull` begins again. */
  rewind(): void
}

class NativeComposer implements Composer {
  readonly #handle: Handle<'composer'>
  readonly #subject: Subject

  constructor(path: string) {
    this.#subject = { action: 'compose the deltas of', paths: [path] }
    this.#handle = callNative(this.#subject, () => addon().createComposer())
  }

  feed(piece: Uint8Array): Spans {
    return callNative(this.#subject, () => addon().composerFeed(this.#handle, piece))
  }

  end(signal?: AbortSignal): Promise<number> {
    return runJob(this.#subject, signal, token => addon().composerEnd(this.#handle, token))
  }

  count(signal?: AbortSignal): Promise<number> {
    return runJob(this.#subject, signal, token => addon().composerCount(this.#handle, token))
  }

  blocks(basisBytes: number, blockBytes: number, kept: number): { readonly read: number; readonly again: number } {
    const [read, again] = callNative(this.#subject, () =>
      addon().composerBlocks(this.#handle, basisBytes, blockBytes, kept)
    )
    return { read, again }
  }

  compact(): Spans {
    return callNative(this.#subject, () => addon().composerCompact(this.#handle))
  }

  pull(literals: number | Uint8Array, maxBytes: number, signal?: AbortSignal): Promise<Buffer | null> {
    return runJob(this.#subject, signal, token => addon().composerPull(this.#handle, literals, maxBytes, token))
  }

  rewind(): void {
    callNative(this.#subject, () => addon().composerRewind(this.#handle))
  }
}

/** Makes a composer of the deltas of the content at a path. */
export function createComposer(path: string): Composer {
  return new NativeComposer(path)
}
