import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { BackupError, isBackupError } from '../errors.js'
import { onAbort } from '../flow/on-abort.js'
import { printPath } from '../path.js'
import type { Store, StoredName } from '../types.js'
import { endsWithin } from './checks/checks.js'
import { readOnlyChecks } from './checks/read-only.js'
import { storeChecks } from './checks/store-checks.js'
import { toBytes } from './hand-source.js'
import { isStoredName, TRIED } from './stored-name.js'
import { clearLeftovers, encodeProbe } from './validate-leftovers.js'

const TIMEOUT_MS = 120_000

/** Options of `validateStore`. */
export interface ValidateOptions {
  /** Also puts, lists and deletes 1,001 names. */
  readonly many?: boolean | undefined
  /** Milliseconds that one promise may take. Default: 120,000. */
  readonly timeoutMs?: number | undefined
  /** Called with each promise when it has been tried. */
  readonly onPromise?: ((promise: TriedPromise) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** A promise that was tried. */
export interface TriedPromise {
  readonly title: string
  /** `skipped`: the store does not offer it, or it cannot be tried without leaving something behind. */
  readonly outcome: 'kept' | 'broken' | 'skipped'
  /** Why it is broken or skipped. */
  readonly reason?: string | undefined
  readonly elapsedMs: number
}

/** What a store keeps of its promises. */
export interface ValidateReport {
  /** The `id` of the store. */
  readonly store: string
  readonly isReadOnly: boolean
  readonly promises: readonly TriedPromise[]
  /** Names that were made and could not be deleted. */
  readonly leftNames: readonly string[]
}

/**
 * Tries what `docs/stores.md` promises of a store, under names that begin with `ibt-validate-` and that are deleted again;
 * nothing else in the store is touched. If a trial is killed, the next one deletes the names that it has left. In a store
 * that refuses to write with IBT_NOT_ALLOWED, only reading is tried, with the names that are there. Retention is not
 * tried: a retained name would stay.
 * Memory: a few MB.
 *
 * @throws BackupError IBT_STORE_FAILED if the directory of the store is not there: it is not made; the signal's reason
 */
export async function validateStore(store: Store, options: ValidateOptions = {}): Promise<ValidateReport> {
  const { many = false, timeoutMs = TIMEOUT_MS, onPromise, signal } = options
  signal?.throwIfAborted()
  for (const place of store.places ?? []) await checkThere(place)
  await clearLeftovers(store, { signal })
  const trial = new Trial(store, timeoutMs, signal)
  const isReadOnly = await trial.isReadOnly()
  const checks = Object.entries(isReadOnly ? readOnlyChecks(store) : storeChecks({ many }))
  const promises: TriedPromise[] = []
  try {
    if (!isReadOnly) await trial.begin()
    for (const [title, check] of checks) {
      const promise = await trial.try(title, check)
      signal?.throwIfAborted()
      promises.push(promise)
      onPromise?.(promise)
    }
  } finally {
    await trial.end()
  }
  return { store: store.id, isReadOnly, promises, leftNames: trial.leftNames }
}

/** One after the other, each promise is tried in a part of the store that is empty. */
class Trial {
  readonly leftNames: string[] = []
  readonly #prefix = `${TRIED}${randomBytes(4).toString('hex')}.`
  #hasBegun = false
  #parts = 0

  constructor(
    readonly store: Store,
    readonly timeoutMs: number,
    readonly signal: AbortSignal | undefined
  ) {}

  /** @throws what a put throws that is not refused for good, and what a delete throws: more names would be left */
  async isReadOnly(): Promise<boolean> {
    const name = this.#probe
    try {
      await this.store.put(name, [toBytes('probe')], { signal: this.signal })
    } catch (error) {
      if (isBackupError(error) && error.code === 'IBT_NOT_ALLOWED') return true
      throw error
    }
    await this.store.delete(name)
    return false
  }

  get #probe(): string {
    return `${this.#prefix}probe`
  }

  /** Says who tries the store, for a later trial, should this one be killed. */
  async begin(): Promise<void> {
    this.#hasBegun = true
    await this.store.put(this.#probe, [await encodeProbe()], { signal: this.signal })
  }

  async end(): Promise<void> {
    if (this.#hasBegun) await this.store.delete(this.#probe).catch(() => this.leftNames.push(this.#probe))
  }

  async try(title: string, check: (store: Store) => Promise<void>): Promise<TriedPromise> {
    const begun = performance.now()
    const elapsedMs = () => Math.round(performance.now() - begun)
    const reason = whySkipped(title, this.store)
    if (reason !== undefined) return { title, outcome: 'skipped', reason, elapsedMs: 0 }
    const part = new Part(this.store, `${this.#prefix}${++this.#parts}.`)
    const stopListening = onAbort(this.signal, error => part.stop(error))
    try {
      await endsWithin(this.timeoutMs, check(part.store))
      return { title, outcome: 'kept', elapsedMs: elapsedMs() }
    } catch (error) {
      return { title, outcome: 'broken', reason: describe(error), elapsedMs: elapsedMs() }
    } finally {
      stopListening()
      part.stop(new Error('This promise has been tried'))
      this.leftNames.push(...(await part.clear()))
    }
  }
}

/**
 * The names of a store that begin with a prefix, as the store itself deals with them: nothing is checked or added. It
 * remembers what was made, which a list may not show.
 */
class Part {
  readonly store: Store
  readonly #made = new Set<string>()
  #stopped: { readonly error: unknown } | undefined

  constructor(
    readonly whole: Store,
    readonly prefix: string
  ) {
    const { id, places, create, clean } = whole
    this.store = {
      id,
      ...(places && { places }),
      put: (name, ...call) => this.#making(name, own => whole.put(own, ...call)),
      get: (name, ...call) => this.#reading(name, own => whole.get(own, ...call)),
      list: (wanted = '', ...call) => this.#listing(whole.list(prefix + wanted, ...call)),
      delete: (name, ...call) => this.#calling(name, own => whole.delete(own, ...call)),
      ...(create && {
        create: (name: string, ...call: [Uint8Array]) => this.#making(name, own => create.call(whole, own, ...call))
      }),
      ...(clean && { clean: (key: string) => clean.call(whole, prefix + key) })
    }
  }

  /** From now on, calls fail: a check that is late, or aborted, ends. */
  stop(error: unknown): void {
    this.#stopped ??= { error }
  }

  /** Deletes everything, and resolves to what could not be deleted. */
  async clear(): Promise<string[]> {
    const names = new Set(this.#made)
    try {
      if (names.size > 0) for await (const { name } of this.whole.list(this.prefix)) names.add(name)
    } catch {
      // What was made is known.
    }
    const left: string[] = []
    for (const name of names) await this.whole.delete(name).catch(() => isStoredName(name) && left.push(name))
    return left
  }

  /** A name that no store takes stays so. */
  #own(name: string): string {
    return isStoredName(name) ? this.prefix + name : name
  }

  #making<T>(name: string, call: (own: string) => Promise<T>): Promise<T> {
    return this.#calling(name, own => {
      this.#made.add(own)
      return call(own)
    })
  }

  async #calling<T>(name: string, call: (own: string) => Promise<T>): Promise<T> {
    if (this.#stopped !== undefined) throw this.#stopped.error
    try {
      return await call(this.#own(name))
    } catch (error) {
      throw this.#renamed(error, name)
    }
  }

  async *#reading(name: string, call: (own: string) => AsyncIterable<Uint8Array>) {
    if (this.#stopped !== undefined) throw this.#stopped.error
    try {
      yield* call(this.#own(name))
    } catch (error) {
      throw this.#renamed(error, name)
    }
  }

  async *#listing(names: AsyncIterable<StoredName>): AsyncGenerator<StoredName, void, undefined> {
    if (this.#stopped !== undefined) throw this.#stopped.error
    for await (const stored of names) yield { ...stored, name: stored.name.slice(this.prefix.length) }
  }

  #renamed(error: unknown, name: string): unknown {
    if (!isBackupError(error) || error.path !== this.#own(name)) return error
    return new BackupError(error.code, error.message, { path: name, cause: error.cause })
  }
}

/** @throws BackupError IBT_STORE_FAILED */
async function checkThere(place: string): Promise<void> {
  try {
    await stat(place)
  } catch (cause) {
    const message = `There is no directory ${printPath(place)} to try: make it first, or correct its name`
    throw new BackupError('IBT_STORE_FAILED', message, { path: place, cause })
  }
}

/** The title of a promise says what it is of, where a store may do without. */
function whySkipped(title: string, store: Store): string | undefined {
  const call = /\(where it has `(\w+)`\)/.exec(title)?.[1] as 'create' | 'retain' | 'clean' | 'places' | undefined
  if (call === undefined) return undefined
  if (store[call] === undefined) return `the store has no '${call}'`
  return call === 'retain' ? 'not tried: a retained name could not be deleted' : undefined
}

/** The first line of a message: an assertion goes on with a comparison. */
function describe(error: unknown): string {
  const { message = String(error), cause, actual, expected } = Object(error) as Error & Record<string, unknown>
  const compared =
    actual !== undefined && expected !== undefined ? ` (${brief(actual)} instead of ${brief(expected)})` : ''
  const because = cause instanceof Error ? `: ${cause.message}` : ''
  return `${message.split('\n')[0]}${compared}${because}`
}

function brief(value: unknown): string {
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
