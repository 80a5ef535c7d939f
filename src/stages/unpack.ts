import { createBreather } from '../breathe.js'
import { smallTarBody, TOGETHER_BYTES, tarBody } from '../codec/tar-body.js'
import type { Archive, Layer, Layered, OpenArchive, Place, Source, StateEntry } from '../types.js'

/**
 * Joins the state of a date with the archives that it names.
 *
 * Yields `Layered` in the state's path order. Files have the bodies that make their content, whole first, then deltas;
 * nothing is read before a body is opened, so that what a filter drops costs nothing.
 * Look-ahead: none. Memory: constant; `archives` decides how many archives are open.
 *
 * @throws whatever `state` and `archives` throw; when a body is opened, BackupError IBT_ARCHIVE_CORRUPT or
 * IBT_ARCHIVE_TRUNCATED.
 */
export async function* unpack(
  state: Source<StateEntry>,
  archives: OpenArchive
): AsyncGenerator<Layered, void, undefined> {
  const breather = createBreather()
  for await (const entry of state) {
    if (breather.due()) await breather.pause()
    const { places, signature: _, ...rest } = entry
    yield places === undefined ? rest : { layers: places.map(place => toLayer(entry, place, archives)), ...rest }
  }
}

function toLayer(entry: StateEntry, place: Place, archives: OpenArchive): Layer {
  // What the whole had is not known any more once there are deltas on it.
  const isOnly = entry.places?.length === 1
  const sizeBytes = place.sizeBytes ?? (isOnly ? entry.sizeBytes : undefined)
  return new StoredLayer(place, { path: place.path ?? entry.path, offset: place.offset, sizeBytes }, archives)
}

interface TarPlace {
  readonly path: string
  readonly offset: number
  readonly sizeBytes: number | undefined
}

/** A class, so that who spreads one to replace `open` does not take `read` along. */
class StoredLayer implements Layer {
  readonly form: Layer['form']
  readonly #place: Place
  readonly #body: TarPlace
  readonly #archives: OpenArchive

  constructor(place: Place, body: TarPlace, archives: OpenArchive) {
    this.form = place.in === 'updated' ? 'delta' : 'whole'
    this.#place = place
    this.#body = body
    this.#archives = archives
  }

  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    yield* tarBody(await this.#archive(), this.#body)
  }

  get read(): (() => Promise<Uint8Array>) | undefined {
    const { sizeBytes } = this.#body
    if (this.form === 'delta' || sizeBytes === undefined || sizeBytes > TOGETHER_BYTES) return undefined
    return async () => smallTarBody(await this.#archive(), { ...this.#body, sizeBytes })
  }

  #archive(): Promise<Archive> {
    return this.#archives(this.#place.date, this.#place.in)
  }
}
