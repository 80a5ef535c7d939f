import { untilAbort } from '../flow/abortable.js'
import type { PlaceOptions } from '../places/options.js'
import { openPlaces, type Places, toStore } from '../places/places.js'
import { listStored } from '../stores/backup-names.js'
import { Chain } from '../stores/chain.js'
import type { StoredName } from '../types.js'

/**
 * A store as it was a moment ago, for the requests of that moment: what it has listed, and what was proven of its
 * manifests. Memory: the names of the store.
 */
export class View {
  readonly places: Places
  readonly #listed = new Map<string, Promise<readonly StoredName[]>>()
  #endMs = Infinity

  /** @throws TypeError for keys that are none */
  constructor(
    readonly options: PlaceOptions,
    readonly listMs: number
  ) {
    this.places = openPlaces(options)
  }

  /** Whether something was asked of it already. */
  get isUsed(): boolean {
    return this.#listed.size > 0
  }

  get isOver(): boolean {
    return performance.now() >= this.#endMs
  }

  /** The names that begin with a prefix. The list goes on for others if one that waits for it goes away. */
  listed(prefix: string, signal: AbortSignal): Promise<readonly StoredName[]> {
    let listed = this.#listed.get(prefix)
    if (listed === undefined) {
      listed = listStored(this.places.peeked, prefix)
      this.#listed.set(prefix, listed)
      // The time begins when the list is there: a slow one would be over at once.
      listed.then(
        () => this.#endIn(this.listMs),
        () => this.#endIn(0)
      )
    }
    return untilAbort(listed, signal)
  }

  async chain(key: string, signal: AbortSignal): Promise<Chain> {
    const stored = await this.listed(`${key}.`, signal)
    return Chain.open(this.places.peeked, key, { signal, codecs: this.options.codecs, stored })
  }

  #endIn(ms: number): void {
    this.#endMs = Math.min(this.#endMs, performance.now() + ms)
  }
}

/** The views of a store, one after the other. */
export class Views {
  readonly #options: PlaceOptions
  #view: View

  /** @throws TypeError for keys that are none */
  constructor(
    options: PlaceOptions,
    readonly listMs: number
  ) {
    // One of a URL may have connections: all views share them.
    this.#options = { ...options, store: toStore(options.store) }
    this.#view = this.renew()
  }

  /** One whose lists are at most `listMs` old. */
  current(): View {
    return this.#view.isOver ? this.renew() : this.#view
  }

  renew(): View {
    this.#view = new View(this.#options, this.listMs)
    return this.#view
  }
}
