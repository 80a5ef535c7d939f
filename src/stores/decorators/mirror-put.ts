import { WITHDRAW_MS } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { abortable, untilAbort } from '../../flow/abortable.js'
import { Backlog } from '../../flow/backlog.js'
import { onAbort } from '../../flow/on-abort.js'
import type { Source, Store } from '../../types.js'
import { isRetained } from '../stored-name.js'

/** What a put into several stores goes by. */
export interface MirrorPutOptions {
  readonly signal: AbortSignal | undefined
  readonly quorum: number
  readonly drops: boolean
  readonly bufferBytes: number
  /** Why a store is not to have the name, asked when the source has ended. */
  readonly refusal: (store: Store) => unknown
}

/** How a put of one store ended without success. */
export interface FailedPut {
  readonly store: Store
  readonly error: unknown
}

/**
 * Puts one source into several stores, each at its own pace. Resolves to the stores that failed, when at least `quorum`
 * have stored it.
 *
 * @throws the error of the source, the signal's reason, or the first error of a store if fewer have.
 */
export async function putAll(
  stores: readonly Store[],
  name: string,
  source: Source<Uint8Array>,
  options: MirrorPutOptions
): Promise<FailedPut[]> {
  const { signal, quorum, refusal } = options
  const ended = new AbortController()
  const branches = stores.map(store => new Branch(store, name))
  const end = (reason: unknown) => {
    for (const branch of branches) branch.fail(reason)
    ended.abort(reason)
  }
  for (const branch of branches) {
    branch.done.catch(() => {
      const failed = branches.filter(({ outcome }) => outcome === 'rejected')
      if (failed.length > branches.length - quorum) end(branch.error)
    })
  }
  const stopListening = onAbort(signal, end)
  try {
    for await (const chunk of abortable(source, ended.signal)) {
      for (const branch of branches) branch.backlog.push(chunk)
      await roomIn(branches, options)
    }
    ended.signal.throwIfAborted()
    for (const branch of branches) {
      const reason = refusal(branch.store)
      if (reason !== undefined) branch.fail(reason)
    }
    await finish(branches, options)
  } catch (error) {
    end(error)
    await settled(branches)
    throw error
  } finally {
    stopListening()
  }
  const failed = branches.filter(({ outcome }) => outcome !== 'resolved')
  if (branches.length - failed.length < quorum) throw ended.signal.aborted ? ended.signal.reason : failed[0]!.error
  return failed.map(({ store, error }) => ({ store, error }))
}

/** Holds the source back while the stores that count are full; drops one that is far behind them. */
async function roomIn(branches: readonly Branch[], { quorum, drops, bufferBytes }: MirrorPutOptions): Promise<void> {
  if (!drops) {
    await Promise.all(branches.map(({ backlog }) => backlog.below(bufferBytes)))
    return
  }
  const live = branches.filter(({ outcome }) => outcome === 'pending')
  await someOf(
    quorum,
    live.map(({ backlog }) => backlog.below(bufferBytes / 4))
  )
  let spare = live.length - quorum
  for (const branch of live) {
    if (spare <= 0 || branch.backlog.sizeBytes < bufferBytes) continue
    branch.drop(behind(branch.name, `${bufferBytes} bytes`))
    spare--
  }
}

/** Ends all sources. A store that retains names decides first: another one would replace what it keeps. */
async function finish(branches: readonly Branch[], { quorum, drops }: MirrorPutOptions): Promise<void> {
  const retaining = branches.filter(({ store }) => store.retain !== undefined)
  if (retaining.length < branches.length) {
    for (const { backlog } of retaining) backlog.end()
    await settled(retaining)
    const refused = retaining.find(({ error }) => isRetained(error))
    if (refused !== undefined) throw refused.error
  }
  for (const { backlog } of branches) backlog.end()
  if (!drops) {
    await settled(branches)
    return
  }
  await someOf(
    quorum,
    branches.map(({ done }) => done)
  )
  const late = setTimeout(() => {
    for (const branch of branches) branch.drop(behind(branch.name, `${WITHDRAW_MS} ms`))
  }, WITHDRAW_MS)
  await settled(branches)
  clearTimeout(late)
}

async function settled(branches: readonly Branch[]): Promise<void> {
  await Promise.allSettled(branches.map(({ done }) => done))
}

/** Resolves when so many promises have resolved, or all have settled. */
async function someOf(count: number, promises: readonly Promise<unknown>[]): Promise<void> {
  let resolved = 0
  await new Promise<void>(resolve => {
    const one = () => {
      if (++resolved >= count) resolve()
    }
    for (const promise of promises) promise.then(one, () => {})
    Promise.allSettled(promises).then(() => resolve())
  })
}

/** The put of one store, and the chunks that wait for it. */
class Branch {
  readonly backlog = new Backlog()
  readonly done: Promise<void>
  outcome: 'pending' | 'resolved' | 'rejected' = 'pending'
  error: unknown
  readonly #failed = new AbortController()
  readonly #dropped = new AbortController()

  constructor(
    readonly store: Store,
    readonly name: string
  ) {
    this.done = this.#run()
  }

  /** Ends the put if it is under way. */
  fail(error: unknown): void {
    this.backlog.fail(error)
    this.#failed.abort(error)
  }

  /** As `fail`, without waiting for the store: it may not hear that. */
  drop(error: unknown): void {
    this.fail(error)
    this.#dropped.abort(error)
  }

  async #run(): Promise<void> {
    const { signal } = this.#failed
    // A store may throw before there is a promise.
    const put = async () => this.store.put(this.name, this.backlog, { signal })
    try {
      await untilAbort(put(), this.#dropped.signal)
      this.outcome = 'resolved'
    } catch (error) {
      this.outcome = 'rejected'
      this.error = error
      throw error
    } finally {
      this.backlog.fail(this.error ?? new Error('The put has ended'))
    }
  }
}

function behind(name: string, bound: string): BackupError {
  const message = `The store fell behind the others with ${name}, by more than ${bound}`
  return new BackupError('IBT_STORE_FAILED', message, { path: name })
}
