import { tmpdir } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { PART_BYTES } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { onAbort } from '../../flow/on-abort.js'
import { Replay } from '../../flow/replay.js'
import type { ByteRange, Store, StoreOptions } from '../../types.js'
import { checkSource, compareStoredNames } from '../stored-name.js'
import { wrapStore } from '../wrap-store.js'
import { KnownSizes } from './known-sizes.js'
import { isTransientError } from './transient.js'

/** A call that failed and is tried again. */
export interface Retry {
  readonly call: 'put' | 'get' | 'list' | 'delete' | 'create' | 'retain' | 'clean'
  /** The name, prefix or key. */
  readonly name: string
  /** How often it has failed in a row. */
  readonly failures: number
  readonly error: unknown
}

/** Options of `retrying`. */
export interface RetryingOptions {
  /** How often one call is tried without any progress. Default: 5. */
  readonly attempts?: number | undefined
  /**
   * Milliseconds before the second attempt; twice as many before each further one, at most 30 s. The wait is a random part
   * between half of them and all. Default: 500.
   */
  readonly backoffMs?: number | undefined
  /** Whether a call may succeed the next time. Default: unless rights, space or what was asked for are in the way. */
  readonly isTransient?: ((error: unknown) => boolean) | undefined
  /** Told before each further attempt. */
  readonly onRetry?: ((retry: Retry) => void) | undefined
  /** Bytes of one `put` that are buffered in memory; what is more goes to disk. Default: 8 MiB (`PART_BYTES`). */
  readonly bufferBytes?: number | undefined
  /** Where a `put` buffers on disk, in a file without a name. Default: the directory for temporary files. */
  readonly spoolDirectory?: string | undefined
}

const ATTEMPTS = 5
const BACKOFF_MS = 500
const BACKOFF_MS_MAX = 30_000

/**
 * A store that tries again what failed for the moment. `get` goes on at the byte where it stopped, also when it ended
 * early without an error, and `list` behind the last name. `put` passes its source on while it buffers it, and repeats
 * what it has buffered. `create` whose answer was lost looks whether the name has its bytes.
 * Permanent errors, errors of a source and aborts end a call at once.
 *
 * Memory: `bufferBytes` for each `put`, and the names that were listed. Disk: the larger ones of the puts under way.
 */
export function retrying(store: Store, options: RetryingOptions = {}): Store {
  const { bufferBytes = PART_BYTES, spoolDirectory = tmpdir() } = options
  const again = new Retries(options)
  const sizes = new KnownSizes(store)
  const { create, retain, clean } = store
  const made = wrapStore(store, {
    async put(name, source, { signal } = {}) {
      checkSource(source)
      signal?.throwIfAborted()
      sizes.forget(name)
      const replay = new Replay(source, { memoryBytes: bufferBytes, directory: spoolDirectory })
      const stopListening = onAbort(signal, reason => replay.break(reason))
      try {
        const canRepeat = () => replay.isReplayable()
        await again.try('put', name, () => store.put(name, replay.read(), { signal }), { signal, canRepeat })
        sizes.remember(name, replay.sizeBytes)
      } catch (error) {
        throw replay.failure === undefined ? error : replay.failure.error
      } finally {
        stopListening()
        await replay.close()
      }
    },

    async *get(name: string, range: ByteRange = { start: 0 }, { signal }: StoreOptions = {}) {
      const { start, end } = range
      let given = 0
      for (let failures = 0; ; ) {
        try {
          for await (const chunk of store.get(name, { start: start + given, end }, { signal })) {
            given += chunk.length
            if (chunk.length > 0) failures = 0
            yield chunk
          }
          if (await sizes.isWhole(name, range, given, { signal })) return
          throw endedEarly(name, start + given)
        } catch (error) {
          await again.wait({ call: 'get', name, failures: ++failures, error }, signal)
        }
      }
    },

    async *list(prefix = '', { signal } = {}) {
      let last: string | undefined
      for (let failures = 0; ; ) {
        try {
          for await (const stored of sizes.list(prefix, { signal })) {
            if (last !== undefined && compareStoredNames(stored.name, last) <= 0) continue
            last = stored.name
            failures = 0
            yield stored
          }
          return
        } catch (error) {
          await again.wait({ call: 'list', name: prefix, failures: ++failures, error }, signal)
        }
      }
    },

    async delete(name, options = {}) {
      sizes.forget(name)
      await again.try('delete', name, () => store.delete(name, options), options)
    },

    ...(create && {
      async create(name, bytes, options = {}) {
        let hasFailed = false
        const attempt = async () => {
          const isFirst = await create.call(store, name, bytes, options)
          return isFirst || (hasFailed && (await hasBytes(made, name, bytes, options)))
        }
        return again.try('create', name, attempt, { ...options, onFailure: () => (hasFailed = true) })
      }
    }),
    ...(retain && {
      retain: (name, untilMs, options = {}) =>
        again.try('retain', name, () => retain.call(store, name, untilMs, options), options)
    }),
    ...(clean && { clean: key => again.try('clean', key, () => clean.call(store, key), {}) })
  })
  return made
}

interface TryOptions extends StoreOptions {
  /** Asked after a failure: false ends the call. */
  readonly canRepeat?: (() => Promise<boolean>) | undefined
  readonly onFailure?: (() => void) | undefined
}

/** Decides what is tried again, and when. */
class Retries {
  readonly #attempts: number
  readonly #backoffMs: number
  readonly #isTransient: (error: unknown) => boolean

  constructor(readonly options: RetryingOptions) {
    const { attempts = ATTEMPTS, backoffMs = BACKOFF_MS, isTransient = isTransientError } = options
    if (!Number.isSafeInteger(attempts) || attempts < 1) throw new RangeError(`Not a number of attempts: ${attempts}`)
    if (!(backoffMs >= 0)) throw new RangeError(`Not a number of milliseconds: ${backoffMs}`)
    this.#attempts = attempts
    this.#backoffMs = backoffMs
    this.#isTransient = isTransient
  }

  async try<T>(call: Retry['call'], name: string, work: () => Promise<T>, options: TryOptions): Promise<T> {
    const { signal, canRepeat = async () => true, onFailure } = options
    for (let failures = 1; ; failures++) {
      try {
        return await work()
      } catch (error) {
        onFailure?.()
        if (!(await canRepeat())) throw error
        await this.wait({ call, name, failures, error }, signal)
      }
    }
  }

  /** Waits until a call may be tried again. @throws its error if it may not, and the signal's reason */
  async wait(retry: Retry, signal: AbortSignal | undefined): Promise<void> {
    const { failures, error } = retry
    signal?.throwIfAborted()
    if (failures >= this.#attempts || !this.#isTransient(error)) throw error
    this.options.onRetry?.(retry)
    const longest = Math.min(BACKOFF_MS_MAX, this.#backoffMs * 2 ** (failures - 1))
    const ms = longest * (0.5 + Math.random() / 2)
    await setTimeout(ms, undefined, { signal }).catch(() => signal?.throwIfAborted())
  }
}

async function hasBytes(store: Store, name: string, bytes: Uint8Array, options: StoreOptions): Promise<boolean> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(name, { start: 0, end: bytes.length + 1 }, options)) chunks.push(chunk)
  return Buffer.concat(chunks).equals(bytes)
}

function endedEarly(name: string, at: number): BackupError {
  return new BackupError('IBT_STORE_FAILED', `The store ended ${name} early, at byte ${at}`, { path: name })
}
