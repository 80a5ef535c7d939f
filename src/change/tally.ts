import type { ChangeKind, Packed, Totals } from '../types.js'
import type { RunCounts } from './runs.js'

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

  addRun(change: ChangeKind, { entries, files, sizeBytes }: RunCounts): void {
    this.#changes[change] += entries
    this.#entries += entries
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
