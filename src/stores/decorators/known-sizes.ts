import type { ByteRange, Store, StoredName, StoreOptions } from '../../types.js'

/**
 * The sizes of a store's names, by which a `get` that ended too early is noticed. A size that is not known, or that says
 * a read was short, is asked for.
 * Memory: the names that were listed.
 */
export class KnownSizes {
  readonly #sizes = new Map<string, number>()

  constructor(readonly store: Store) {}

  /** What the store lists; the sizes are remembered. */
  async *list(prefix?: string, options?: StoreOptions): AsyncGenerator<StoredName, void, undefined> {
    for await (const stored of this.store.list(prefix, options)) {
      this.#sizes.set(stored.name, stored.sizeBytes)
      yield stored
    }
  }

  known(name: string): number | undefined {
    return this.#sizes.get(name)
  }

  remember(name: string, sizeBytes: number): void {
    this.#sizes.set(name, sizeBytes)
  }

  forget(name: string): void {
    this.#sizes.delete(name)
  }

  /** Whether a read gave all that the range has. A name that is not listed is taken as read. */
  async isWhole(name: string, { start, end = Infinity }: ByteRange, given: number, options?: StoreOptions) {
    const isAll = (sizeBytes: number) => given >= Math.min(end, sizeBytes) - start
    const known = this.known(name)
    if (given >= end - start || (known !== undefined && isAll(known))) return true
    this.forget(name)
    const sizeBytes = await this.sizeOf(name, options)
    return sizeBytes === undefined || isAll(sizeBytes)
  }

  /** The size that is known, or else listed. */
  async sizeOf(name: string, options?: StoreOptions): Promise<number | undefined> {
    const known = this.known(name)
    if (known !== undefined) return known
    for await (const stored of this.list(name, options)) if (stored.name === name) return stored.sizeBytes
    return undefined
  }
}
