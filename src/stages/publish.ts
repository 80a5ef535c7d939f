import { Tally } from '../change/tally.js'
import { CHUNKS_WAITING, WITHDRAW_MS } from '../constants.js'
import { BackupError, isBackupError } from '../errors.js'
import { abortable, untilAbort } from '../flow/abortable.js'
import { Channel } from '../flow/channel.js'
import { onAbort } from '../flow/on-abort.js'
import { type ArtifactTrace, artifactChannel, hasListeners } from '../flow/tracing.js'
import { checkSeal, invalidArtifact } from '../format/artifact-check.js'
import { printPath } from '../path.js'
import {
  type Chunk,
  type Counted,
  type Entry,
  isChunk,
  isCounted,
  isEntry,
  isPacked,
  isSealed,
  type Packed,
  type Sealed,
  type SealedArtifact,
  type Sink,
  type Store,
  type Totals
} from '../types.js'

/** Options of `publish`. */
export interface PublishOptions {
  /** Asked when everything but the state is stored: false withdraws all. Default: true. */
  readonly commits?: ((totals: Totals) => boolean | Promise<boolean>) | undefined
}

/** What a pipeline has stored. */
export interface Published {
  readonly artifacts: readonly SealedArtifact[]
  /** All zero if no `stateEmit` was in the pipeline. */
  readonly totals: Totals
  /** False if `commits` said so: nothing is stored then. */
  readonly isCommitted: boolean
}

/**
 * Stores artifacts, several at a time: one `put` each. The state's ends after all others have resolved.
 *
 * Consumes `Chunk`, `Sealed` and `Counted`; ignores other items, but refuses an entry that `pack` has not seen.
 * Back-pressure: the slowest `put` holds its source. Memory: `CHUNKS_WAITING` chunks for each artifact.
 *
 * On an error or abort every `put` is aborted and awaited, and what was put is withdrawn: a `put` that was rejected may
 * have stored, so the state is deleted first, and the archives only when the store does not list the state any more.
 * Otherwise all is left, and the error says that the backup may exist. Once the state's `put` has resolved, the backup is
 * there, and an abort comes too late. A `put` that does not end within `WITHDRAW_MS` is left behind: its source has
 * failed and its signal is aborted, so a store that keeps its promises stores nothing of it.
 *
 * @throws what the store throws; BackupError IBT_STORE_FAILED for an artifact that was never sealed; IBT_STATE_INVALID for
 * one that was sealed twice, with other bytes than came, or with a digest that is none; IBT_OUTCOME_UNKNOWN if the backup
 * may exist.
 */
export function publish(
  store: Store,
  options: PublishOptions = {}
): Sink<Packed | Chunk | Sealed | Counted, Published> {
  return async function publishSink(source, { signal } = {}) {
    const puts = new Puts(store)
    const artifacts: SealedArtifact[] = []
    let { totals } = new Tally()
    const stopListening = onAbort(signal, reason => puts.fail(reason))
    try {
      for await (const item of source) {
        if (isChunk(item)) await puts.push(item)
        else if (isSealed(item)) {
          const { name, kind, sizeBytes, sha256 } = item
          puts.seal(item)
          artifacts.push({ name, kind, sizeBytes, sha256 })
        } else if (isCounted(item)) totals = item.totals
        else if (isEntry(item) && !isPacked(item)) throw unpacked(item)
      }
      if (await puts.commit(async () => options.commits?.(totals) ?? true))
        return { artifacts, totals, isCommitted: true }
      return { artifacts: [], totals, isCommitted: false }
    } catch (error) {
      const reason = signal?.aborted ? signal.reason : error
      const left = await puts.withdraw(reason)
      throw left === undefined ? reason : mayExist(left, reason)
    } finally {
      stopListening()
    }
  }
}

function unpacked({ path }: Entry): BackupError {
  return new BackupError('IBT_STATE_INVALID', `${printPath(path)} comes behind pack: nothing of it is stored`, { path })
}

interface Put {
  readonly name: string
  readonly isState: boolean
  readonly channel: Channel<Uint8Array>
  readonly done: Promise<void>
  readonly trace: ArtifactTrace
  outcome: 'pending' | 'resolved' | 'rejected'
  isSealed: boolean
  /** Bytes that have come. */
  sizeBytes: number
  /** Whether its source has ended: only then can it have stored anything. */
  isEnded: boolean
}

class Puts {
  readonly #puts = new Map<string, Put>()
  /** Aborts every put when one of them, the source or the caller has failed. */
  readonly #failed = new AbortController()

  constructor(readonly store: Store) {}

  async push(chunk: Chunk): Promise<void> {
    const put = this.#open(chunk)
    const { name, channel, done } = put
    if (put.isSealed) throw invalidArtifact(name, 'goes on after its end')
    put.sizeBytes += chunk.bytes.length
    try {
      await channel.push(chunk.bytes)
    } catch {
      // What the store failed with says more than that it stopped reading.
      await untilAbort(done, this.#failed.signal)
      throw endedEarly(name)
    }
  }

  #open({ name, kind }: Chunk | Sealed): Put {
    const open = this.#puts.get(name)
    if (open !== undefined) return open
    const { signal } = this.#failed
    const channel = new Channel<Uint8Array>(CHUNKS_WAITING)
    // A store may throw before there is a promise.
    const trace: ArtifactTrace = { name, kind }
    const work = async () => this.store.put(name, channel, { signal })
    const done = hasListeners(artifactChannel) ? artifactChannel.tracePromise(work, trace) : work()
    const isState = kind === 'state'
    const put: Put = {
      name,
      isState,
      channel,
      done,
      trace,
      outcome: 'pending',
      isSealed: false,
      sizeBytes: 0,
      isEnded: false
    }
    // Whatever ends a put ends its channel: a push that comes after it throws.
    done.then(
      () => {
        put.outcome = 'resolved'
        channel.fail(endedEarly(name))
      },
      error => {
        put.outcome = 'rejected'
        channel.fail(error)
      }
    )
    this.#puts.set(name, put)
    return put
  }

  seal(sealed: Sealed): void {
    checkSeal(sealed)
    const put = this.#open(sealed)
    if (put.isSealed) throw invalidArtifact(put.name, 'was sealed twice')
    if (put.sizeBytes !== sealed.sizeBytes) {
      const found = `has ${put.sizeBytes} bytes, not the ${sealed.sizeBytes} of its seal`
      throw invalidArtifact(put.name, `${found}: a stage that changes stored bytes seals anew`)
    }
    put.isSealed = true
    put.trace.sizeBytes = sealed.sizeBytes
    put.trace.sha256 = sealed.sha256
    if (!put.isState) end(put)
  }

  /** Ends the state's put when all others have resolved; false if all has been withdrawn instead. */
  async commit(commits: () => Promise<boolean>): Promise<boolean> {
    const { signal } = this.#failed
    const puts = [...this.#puts.values()]
    const open = puts.find(put => !put.isSealed)
    if (open !== undefined) throw neverSealed(open.name)
    await untilAbort(Promise.all(puts.filter(put => !put.isState).map(put => put.done)), signal)
    if (!(await untilAbort(commits(), signal))) {
      await this.withdraw(new Error('Not committed'))
      return false
    }
    signal.throwIfAborted()
    const states = puts.filter(put => put.isState)
    states.forEach(end)
    // An abort does not decide any more: the store does.
    await untilLate(Promise.all(states.map(put => put.done)), signal)
    return true
  }

  /** Ends every put that is under way. */
  fail(error: unknown): void {
    for (const { channel } of this.#puts.values()) channel.fail(error)
    this.#failed.abort(error)
  }

  /** Deletes what was put. Resolves to the name of the state if that may still be there: then nothing else is deleted. */
  async withdraw(error: unknown): Promise<string | undefined> {
    this.fail(error)
    const puts = [...this.#puts.values()]
    await within(WITHDRAW_MS, () => Promise.allSettled(puts.map(put => put.done)))
    for (const state of puts.filter(put => put.isState)) if (!(await this.#isWithdrawn(state))) return state.name
    // What a put stores that is still pending, the next run removes.
    const ended = puts.filter(put => !put.isState && put.outcome !== 'pending')
    await within(WITHDRAW_MS, signal =>
      Promise.allSettled(ended.map(({ name }) => this.store.delete(name, { signal })))
    )
    return undefined
  }

  /** Whether the state is surely not in the store. */
  async #isWithdrawn({ name, outcome, isEnded }: Put): Promise<boolean> {
    if (outcome === 'pending') return !isEnded
    const isGone = await within(WITHDRAW_MS, async signal => {
      const isDeleted = await this.store.delete(name, { signal }).then(
        () => true,
        () => false
      )
      if (!isEnded && outcome === 'rejected') return true
      for await (const stored of abortable(this.store.list(name, { signal }), signal)) {
        if (stored.name === name) return false
      }
      // A list may be behind.
      return isDeleted || (await isMissing(abortable(this.store.get(name, { start: 0, end: 1 }, { signal }), signal)))
    })
    return isGone ?? false
  }
}

async function isMissing(content: AsyncIterable<Uint8Array>): Promise<boolean> {
  try {
    for await (const _ of content) return false
    return false
  } catch (error) {
    return isBackupError(error) && error.code === 'IBT_NOT_FOUND'
  }
}

function end(put: Put): void {
  put.isEnded = true
  put.channel.end()
}

/** Waits for a promise as long as nothing has failed, and then `WITHDRAW_MS` more. */
async function untilLate<T>(promise: Promise<T>, failed: AbortSignal): Promise<T> {
  const late = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const stopListening = onAbort(failed, reason => {
    timer = setTimeout(() => late.abort(reason), WITHDRAW_MS)
  })
  try {
    return await untilAbort(promise, late.signal)
  } finally {
    stopListening()
    clearTimeout(timer)
  }
}

/** What work comes to within so many milliseconds; undefined if it fails or does not end, and then its signal is aborted. */
async function within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T | undefined> {
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), ms)
  try {
    return await untilAbort(work(late.signal), late.signal)
  } catch {
    return undefined
  } finally {
    clearTimeout(timer)
  }
}

function mayExist(name: string, cause: unknown): BackupError {
  const message = `The backup may exist: it is not known whether its state ${name} is stored, so its archives were left`
  return new BackupError('IBT_OUTCOME_UNKNOWN', message, { path: name, cause })
}

function neverSealed(name: string): BackupError {
  return new BackupError('IBT_STORE_FAILED', `Artifact ${name} was never sealed`, { path: name })
}

function endedEarly(name: string): BackupError {
  return new BackupError('IBT_STORE_FAILED', `The store ended ${name} before its source`, { path: name })
}
