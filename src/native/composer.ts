import { addon, type Canceller, type Handle } from './addon.js'
import { callNative, runJob, type Subject } from './job.js'

/** What several deltas make. */
export interface Composed {
  readonly sizeBytes: number
  /** COPY commands: without any, it makes its content from nothing. */
  readonly copies: number
  /** The delta itself, if it is small enough. */
  readonly bytes: Buffer | undefined
}

/**
 * Composes deltas that follow each other, as `composeDeltas`, and gives what they make piece by piece. They are
 * descriptors that can be read at any position, or bytes: those of `allocateBytes` are not copied. They must not change
 * or be closed while a call runs. One call at a time: IBT_JOB_BUSY otherwise. After a call that failed or was aborted it
 * cannot be used: IBT_NATIVE.
 * Memory: 24 bytes a command of all lists that are in memory at once, at most 384 MiB, and what is pulled.
 */
export interface Composer {
  /**
   * Once, first. What the deltas make comes at once, if it has at most `maxBytes`.
   * @throws BackupError IBT_READ_FAILED, IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_DELTA_CORRUPT, with the path
   */
  compose(maxBytes: number, signal?: AbortSignal): Promise<Composed>
  /** The next `maxBytes`, or some commands more; null behind the end. @throws BackupError IBT_READ_FAILED, IBT_INPUT_ENDED */
  pull(maxBytes: number, signal?: AbortSignal): Promise<Buffer | null>
  /** `pull` begins again. */
  rewind(): void
}

class NativeComposer implements Composer {
  readonly #handle: Handle<'composer'>
  readonly #deltas: readonly (number | Uint8Array)[]
  readonly #subject: Subject

  constructor(deltas: readonly (number | Uint8Array)[], path: string) {
    if (deltas.length === 0) throw new TypeError('No delta to compose')
    this.#deltas = deltas
    this.#subject = { action: 'compose the deltas of', paths: deltas.map(() => path) }
    this.#handle = callNative(this.#subject, () => addon().createComposer())
  }

  compose(maxBytes: number, signal?: AbortSignal): Promise<Composed> {
    const compose = (token: Canceller | undefined) =>
      addon().composerCompose(this.#handle, this.#deltas, maxBytes, token)
    return runJob(this.#subject, signal, compose)
  }

  pull(maxBytes: number, signal?: AbortSignal): Promise<Buffer | null> {
    return runJob(this.#subject, signal, token => addon().composerPull(this.#handle, this.#deltas, maxBytes, token))
  }

  rewind(): void {
    callNative(this.#subject, () => addon().composerRewind(this.#handle))
  }
}

/** Makes a composer of the deltas of one content, oldest first. @throws TypeError if there is none */
export function createComposer(deltas: readonly (number | Uint8Array)[], path: string): Composer {
  return new NativeComposer(deltas, path)
}
