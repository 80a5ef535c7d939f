import { Largest } from '../change/largest.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import type { Chain } from '../stores/chain.js'
import type { Place, StateEntry } from '../types.js'

/** Bytes of the shortest header of an entry in a tar. */
const HEADER_BYTES = 512

/** A file whose last body was stored by one backup. */
export interface NewFile {
  readonly entry: StateEntry
  /** Before compression. */
  readonly storedBytes: number
}

/** The files of a backup of which it stored a body itself. Memory: an entry for each hard-link group. */
export class NewFiles {
  files = 0
  bytes = 0
  readonly #largest = new Largest<NewFile>()
  readonly #links = new Set<number>()
  /** An archive has no holes: the state says only where the next file in it begins. */
  #sparse: { readonly entry: StateEntry; readonly place: Place } | undefined

  /** Reads the entries of a date. `own`: the date that the places of the backup have. */
  static async read(chain: Chain, date: string, own: string): Promise<NewFiles> {
    const found = new NewFiles()
    const breather = createBreather()
    for await (const item of batchesOf(chain.entries(date))) {
      chain.options.signal?.throwIfAborted()
      if (breather.due()) await breather.pause()
      for (const entry of isBatch(item) ? item : [item]) {
        const place = entry.places?.at(-1)
        if (place?.date === own) found.#add(entry, place)
      }
    }
    const sparse = found.#sparse
    if (sparse !== undefined) found.#addSparse((await chain.openArchive(own, sparse.place.in)).sizeBytes)
    return found
  }

  /** Those with the most bytes, the largest first. */
  get largest(): readonly NewFile[] {
    return this.#largest.files
  }

  #add(entry: StateEntry, place: Place): void {
    const { link, sparse, sizeBytes = 0 } = entry
    if (link !== undefined) {
      if (this.#links.has(link)) return
      this.#links.add(link)
    }
    if (this.#sparse?.place.in === place.in) this.#addSparse(place.offset)
    if (sparse && place.sizeBytes === undefined) this.#sparse = { entry, place }
    else this.#count({ entry, storedBytes: place.sizeBytes ?? sizeBytes })
  }

  #addSparse(end: number): void {
    const { entry, place } = this.#sparse!
    const { sizeBytes = 0 } = entry
    const room = end - place.offset - HEADER_BYTES
    this.#sparse = undefined
    this.#count({ entry, storedBytes: room > 0 ? Math.min(sizeBytes, room) : sizeBytes })
  }

  #count(file: NewFile): void {
    this.files++
    this.bytes += file.storedBytes
    this.#largest.add(file)
  }
}
