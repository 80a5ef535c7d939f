import { Tally } from '../change/tally.js'
import { CHUNKS_WAITING, WITHDRAW_MS } from '../constants.js'
import { BackupError } from '../errors.js'
import { untilAbort } from '../flow/abortable.js'
import { Channel } from '../flow/channel.js'
import { onAbort } from '../flow/on-abort.js'
import {
  type Chunk,
  type Counted,
  isChunk,
  isCounted,
  isSealed,
  type Packed,
  type Sealed,
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
  readonly artifacts: readonly Sealed[]
  /** All zero if no `stateEmit` was in the pipeline. */
  readonly totals: Totals
  /** False if `commits` said so: nothing is stored then. */
  readonly isCommitted: boolean
}

/**
 * Stores artifacts, several at a time: one `put` each. The state's ends after all others have resolved.
 *
 * Consumes `Chunk`, `Sealed` and `Counted`; ignores other items. Back-pressure: the slowest `put` holds its source.
 * Memory: `CHUNKS_WAITING` chunks for each artifact. On an error or abort, what was put is deleted again, unless the state is there; a
 * `put` that does not end then is left behind after `WITHDRAW_MS`, and what it has stored is deleted when it does.
 *
 * @throws what the store throws; BackupError IBT_STORE_FAILED for an artifact that was never sealed.
 */
export function publish(
  store: Store,
  options: PublishOptions = {}
): Sink<Packed | Chunk | Sealed | Counted, Published> {
  return async function publishSink(source, { signal } = {}) {
    const puts = new Puts(store, signal)
    const artifacts: Sealed[] = []
    let { totals } = new Tally()
    const stopListening = onAbort(signal, reason => puts.fail(reason))
    try {
      for await (const item of source) {
        if (isChunk(item)) await puts.push(item)
        else if (isSealed(item)) {
          artifacts.push(item)
          puts.seal(item)
        } else if (isCounted(item)) totals = item.totals
      }
      if (await puts.commit(() => options.commits?.(totals) ?? true)) return { artifacts, totals, isCommitted: true }
      return { artifacts: [], totals, isCommitted: false }
    } catch (error) {
      await puts.withdraw(error)
      throw signal?.aborted ? signal.reason : error
    } finally {
      stopListening()
    }
  }
}

interface Put {
  readonly name: string
  readonly isState: boolean
  readonly channel: Channel<Uint8Array>
  readonly done: Promise<void>
  isSealed: boolean
}

class Puts {
  readonly #puts = new Map<string, Put>()

  constructor(
    readonly store: Store,
    readonly signal: AbortSignal | undefined
  ) {}

  async push(chunk: Chunk): Promise<void> {
    const { name, channel, done } = this.#open(chunk)
    try {
      await channel.push(chunk.bytes)
    } catch {
      // What the store failed with says more than that it stopped reading.
      await untilAbort(done, this.signal)
      throw endedEarly(name)
    }
  }

  #open({ name, kind }: Chunk | Sealed): Put {
    const open = this.#puts.get(name)
    if (open !== undefined) return open
    const channel = new Channel<Uint8Array>(CHUNKS_WAITING)
    const done = this.store.put(name, channel, { signal: this.signal })
    // Whatever ends a put ends its channel: a push that comes after it throws.
    done.then(
      () => channel.fail(endedEarly(name)),
      error => channel.fail(error)
    )
    const put = { name, isState: kind === 'state', channel, done, isSealed: false }
    this.#puts.set(name, put)
    return put
  }

  seal(sealed: Sealed): void {
    const put = this.#open(sealed)
    put.isSealed = true
    if (!put.isState) put.channel.end()
  }

  /** Ends the state's put when all others have resolved; false if all has been withdrawn instead. */
  async commit(commits: () => boolean | Promise<boolean>): Promise<boolean> {
    const puts = [...this.#puts.values()]
    const open = puts.find(put => !put.isSealed)
    if (open !== undefined)
      throw new BackupError('IBT_STORE_FAILED', `Artifact ${open.name} was never sealed`, { path: open.name })
    await untilAbort(Promise.all(puts.filter(put => !put.isState).map(put => put.done)), this.signal)
    if (!(await commits())) {
      await this.withdraw(new Error('Not committed'))
      return false
    }
    for (const put of puts) put.channel.end()
    await untilAbort(Promise.all(puts.map(put => put.done)), this.signal)
    return true
  }

  /** Ends every put that is under way. */
  fail(error: unknown): void {
    for (const { channel } of this.#puts.values()) channel.fail(error)
  }

  /** Deletes what was stored, unless the state is there; waits for a store that does not answer `WITHDRAW_MS`. */
  async withdraw(error: unknown): Promise<void> {
    this.fail(error)
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(), WITHDRAW_MS)
    await untilAbort(this.#delete(), late.signal).catch(() => {})
    clearTimeout(timer)
  }

  async #delete(): Promise<void> {
    const puts = [...this.#puts.values()]
    const outcomes = await Promise.allSettled(puts.map(put => put.done))
    const stored = puts.filter((_, i) => outcomes[i]!.status === 'fulfilled')
    if (stored.some(put => put.isState)) return
    await Promise.allSettled(stored.map(({ name }) => this.store.delete(name)))
  }
}

function endedEarly(name: string): BackupError {
  return new BackupError('IBT_STORE_FAILED', `The store ended ${name} before its source`, { path: name })
}
