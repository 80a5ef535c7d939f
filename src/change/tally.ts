import type { ChangeKind, Packed, Totals } from '../types.js'
import type { SpanCounts } from './unchanged.js'

/** Counts entries as they pass. */
export class Tally {
  readonly #changes: Record<ChangeKind, number> = { created: 0, updated: 0, touched: 0, deleted: 0, unchanged: 0 }
  #entries = 0
  #files = 0
  #sizeBytes = 0
  #unreadable = 0
  #carried = 0
  #dirty = 0

  add({ change, state, error }: Packed): void {
    if (state?.type !== 'unreadable') this.#changes[change]++
    if (error !== undefined) this.#unreadable++
    if (state === undefined) return
    this.#entries++
    if (state.carried) this.#carried++
    if (state.dirty) this.#dirty++
    if (state.type !== 'file') return
    this.#files++
    this.#sizeBytes += state.sizeBytes ?? 0
  }

  addSpan(changes: Partial<Record<ChangeKind, number>>, { length, files, sizeBytes }: SpanCounts): void {
    for (const [kind, count] of Object.entries(changes)) this.#changes[kind as ChangeKind] += count
    this.#entries += length
    this.#files += files
    this.#sizeBytes += sizeBytes
  }

  get totals(): Totals {
    return {
      entries: this.#entries,
      files: this.#files,
      sizeBytes: this.#sizeBytes,
      ...this.#changes,
      unreadable: this.#unreadable,
      carried: this.#carried,
      dirty: this.#dirty
    }
  }
}
