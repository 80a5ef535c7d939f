import { createBreather } from '../breathe.js'
import { StoredLayer } from '../content/stored-layer.js'
import type { Layer, Layered, OpenArchive, Place, Source, StateEntry } from '../types.js'

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
    const layers = entry.places?.map(place => toLayer(entry, place, archives))
    // A copy of all costs less than one without some.
    const layered = { ...entry, places: undefined, signature: undefined, layers }
    yield layered
  }
}

function toLayer(entry: StateEntry, place: Place, archives: OpenArchive): Layer {
  // What the whole had is not known any more once there are deltas on it.
  const isOnly = entry.places?.length === 1
  const sizeBytes = place.sizeBytes ?? (isOnly ? entry.sizeBytes : undefined)
  return new StoredLayer(place, { path: place.path ?? entry.path, offset: place.offset, sizeBytes }, archives)
}
