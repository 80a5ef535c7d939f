import { settleChange } from '../change.js'
import type { Change, Metadata, Place, SignaturePlace, Signed, StateEntry, Summary } from '../types.js'
import { metadataOf } from './settle.js'

/** What the state says of an entry whose body was stored just now. */
export function recordStored(
  item: Change,
  summary: Summary,
  stored: { readonly place: Place; readonly signature?: SignaturePlace | undefined }
): StateEntry {
  const isDelta = stored.place.in === 'updated' && summary.copies > 0
  return Object.assign(metadataOf(item), {
    sizeBytes: summary.sizeBytes,
    sha256: summary.sha256 === '' ? undefined : summary.sha256,
    // A delta without a COPY needs no basis: the chain of the content starts anew.
    places: isDelta ? [...(item.previous?.places ?? []), stored.place] : [stored.place],
    signature: stored.signature,
    dirty: summary.dirty,
    racy: summary.racy
  })
}

/** What the state says of an entry of which nothing was stored: its content is where it was. */
export function recordKept(item: Signed): StateEntry {
  const { previous } = item
  if (item.carried && previous !== undefined) return { ...previous, carried: true }
  const metadata = metadataOf(item)
  if (item.type !== 'file' || previous === undefined) return metadata
  const { sha256, places, signature } = previous
  return Object.assign(metadata, { sha256, places, signature, dirty: item.dirty, racy: item.racy })
}

/** What the state says of a further link to the content of `first`. */
export function recordLink(item: Change, first: StateEntry): { change: Change['change']; state: StateEntry } {
  const { previous } = item
  const metadata: Metadata = { ...metadataOf(first), path: item.path }
  const { sha256, signature, dirty, carried, racy } = first
  const isSame = previous?.sha256 !== undefined && previous.sha256 === sha256
  const change = previous === undefined || sha256 === undefined ? 'created' : settleChange(metadata, previous, sha256)
  const places = isSame ? previous.places : first.places?.map(place => ({ ...place, path: place.path ?? first.path }))
  return { change, state: { ...metadata, sha256, places, signature, dirty, carried, racy } }
}
