import { readBody } from '../codec/tar-body.js'
import { PART_BYTES, SIGNATURE_BYTES } from '../constants.js'
import { batchesOf, isBatch, toBatch, toBatchSource } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { StoredLayer } from '../restore/stored-layer.js'
import type { BatchSource, Layer, Layered, OpenArchive, Place, Source, StateEntry } from '../types.js'

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
export function unpack(state: Source<StateEntry>, archives: OpenArchive): BatchSource<Layered> {
  return toBatchSource(async function* () {
    const breather = createBreather()
    for await (const item of batchesOf(state)) {
      if (breather.due()) await breather.pause()
      if (isBatch(item)) yield toBatch(Array.from(item, entry => toLayered(entry, archives)))
      else yield toLayered(item, archives)
    }
  })
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
    signatureDigest: entry.signatureDigest,
    dirty: entry.dirty,
    carried: entry.carried,
    racy: entry.racy,
    expectedSha256: entry.expectedSha256,
    erased: entry.erased,
    content: undefined,
    layers: entry.places?.map(place => toLayer(entry, place, archives)),
    readSignature: signatureReader(entry, archives)
  }
}

function signatureReader({ sizeBytes = 0, signature }: StateEntry, archives: OpenArchive): Layered['readSignature'] {
  if (signature === undefined || sizeBytes <= PART_BYTES) return undefined
  const { date, offset } = signature
  return async () => readBody(await archives(date, 'sigvault'), offset, SIGNATURE_BYTES)
}

function toLayer(entry: StateEntry, place: Place, archives: OpenArchive): Layer {
  // What the whole had is not known any more once there are deltas on it.
  const isOnly = entry.places?.length === 1
  const sizeBytes = place.sizeBytes ?? (isOnly ? entry.sizeBytes : undefined)
  return new StoredLayer(place, { path: place.path ?? entry.path, offset: place.offset, sizeBytes }, archives)
}
