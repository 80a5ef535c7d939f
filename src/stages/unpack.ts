import { createBreather } from '../flow/breathe.js'
import { type Groups, grouped } from '../flow/cursor.js'
import { StoredLayer } from '../restore/stored-layer.js'
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
    yield toLayered(entry, archives)
  }
}

/** As `unpack`, of entries that come several at a time. */
export function unpackGroups(state: () => Groups<StateEntry>, archives: OpenArchive): AsyncIterable<Layered> {
  return grouped(async function* () {
    for await (const group of state()) yield unpackGroup(group, archives)
  })
}

function* unpackGroup(group: Iterable<StateEntry>, archives: OpenArchive): Generator<Layered, void, undefined> {
  for (const entry of group) yield toLayered(entry, archives)
}

/** Everything that a state says of an entry but where it is stored. */
type Unpacked = Layered & { readonly [K in Exclude<keyof StateEntry, 'places' | 'signature'>]-?: StateEntry[K] }

/** Name by name: a spread without two of them takes ten times as long, and what comes after it, too. */
function toLayered(entry: StateEntry, archives: OpenArchive): Unpacked {
  return {
    path: entry.path,
    type: entry.type,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    uname: entry.uname,
    gname: entry.gname,
    mtimeNs: entry.mtimeNs,
    ctimeNs: entry.ctimeNs,
    ino: entry.ino,
    sizeBytes: entry.sizeBytes,
    sparse: entry.sparse,
    linkname: entry.linkname,
    link: entry.link,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    xattrs: entry.xattrs,
    mapped: entry.mapped,
    sha256: entry.sha256,
    dirty: entry.dirty,
    carried: entry.carried,
    racy: entry.racy,
    content: undefined,
    layers: entry.places?.map(place => toLayer(entry, place, archives))
  }
}

function toLayer(entry: StateEntry, place: Place, archives: OpenArchive): Layer {
  // What the whole had is not known any more once there are deltas on it.
  const isOnly = entry.places?.length === 1
  const sizeBytes = place.sizeBytes ?? (isOnly ? entry.sizeBytes : undefined)
  return new StoredLayer(place, { path: place.path ?? entry.path, offset: place.offset, sizeBytes }, archives)
}
