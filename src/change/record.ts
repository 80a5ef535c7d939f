import type { Change, EveryField, Metadata, Place, SignaturePlace, Signed, StateEntry, Summary } from '../types.js'
import { hasDigest, isSameContent, kindOfRead } from './compare.js'
import { metadataOf } from './metadata.js'

/** The entry whose content this one's is made of, or is. */
export function basisOf({ origin, previous }: Signed): StateEntry | undefined {
  return origin ?? previous
}

/** What the state says of an entry whose body was stored just now. */
export function recordStored(
  item: Signed,
  summary: Summary,
  stored: { readonly place: Place; readonly signature?: SignaturePlace | undefined }
): StateEntry {
  const isDelta = stored.place.in === 'updated' && summary.copies > 0
  const { sizeBytes, sha256, signatureDigest, dirty, racy } = summary
  // A delta without a COPY needs no basis: the chain of the content starts anew.
  const places = isDelta ? [...(placesFor(item, basisOf(item)) ?? []), stored.place] : [stored.place]
  const { signature } = stored
  const expectedSha256 = dirty || sha256 === '' ? undefined : suspectOf(item, sha256)
  const foundSha256 = sha256 === '' ? undefined : sha256
  const content = { sizeBytes, sha256: foundSha256, signatureDigest, places, signature, dirty, racy, expectedSha256 }
  return stateOf(item, content)
}

/** What the state says of an entry of which nothing was stored: its content is where it was. */
export function recordUnstored(item: Signed): StateEntry {
  const { previous, origin } = item
  if (item.carried && previous !== undefined) return recordCarried(item, previous)
  const isNews = item.foundSha256 !== undefined && basisOf(item)?.sha256 === undefined
  if (origin === undefined && previous !== undefined && !isNews && isRecorded(item, previous)) return previous
  const basis = basisOf(item)
  if (basis === undefined || item.type !== 'file') return metadataOf(item)
  const { dirty, racy } = item
  const { sizeBytes, signatureDigest, signature } = basis
  const sha256 = basis.sha256 ?? item.foundSha256
  const expectedSha256 = item.expectedSha256 === undefined ? basis.expectedSha256 : suspectOf(item, sha256)
  const places = placesFor(item, basis)
  return stateOf(item, { sizeBytes, sha256, signatureDigest, places, signature, dirty, racy, expectedSha256 })
}

/** What the content should have been, if it is not: no suspicion if the file was written between its listing and its reading. */
function suspectOf({ previous, expectedSha256, mtimeNs }: Signed, sha256: string | undefined): string | undefined {
  return sha256 === expectedSha256 || mtimeNs !== previous?.mtimeNs ? undefined : expectedSha256
}

/** The flags of an entry that could not be read stay as they were, too. */
function recordCarried(item: Signed, previous: StateEntry): StateEntry {
  const metadata = metadataOf({ ...item, sizeBytes: previous.sizeBytes })
  return { ...previous, ...metadata, places: placesFor(item, previous), carried: true }
}

/** Where a content is of an entry that may have another path now: a place without a path has that of its entry. */
export function placesFor({ path }: Metadata, basis: StateEntry | undefined): readonly Place[] | undefined {
  if (basis === undefined || basis.path === path) return basis?.places
  return basis.places?.map(place => ({ ...place, path: place.path ?? basis.path }))
}

/** Whether the previous state says just what this one is to say: then its very line can be written again. */
function isRecorded(item: Signed, previous: StateEntry): boolean {
  return (
    item.path === previous.path &&
    item.type === previous.type &&
    item.mode === previous.mode &&
    item.uid === previous.uid &&
    item.gid === previous.gid &&
    item.uname === previous.uname &&
    item.gname === previous.gname &&
    item.mtimeNs === previous.mtimeNs &&
    item.ctimeNs === previous.ctimeNs &&
    item.ino === previous.ino &&
    item.sizeBytes === previous.sizeBytes &&
    item.sparse === previous.sparse &&
    item.linkname === previous.linkname &&
    item.link === previous.link &&
    item.devMajor === previous.devMajor &&
    item.devMinor === previous.devMinor &&
    item.mapped === previous.mapped &&
    item.dirty === previous.dirty &&
    item.racy === previous.racy &&
    item.xattrs === undefined &&
    previous.xattrs === undefined &&
    previous.carried === undefined &&
    (item.type === 'file' || previous.places === undefined)
  )
}

/** One literal, for every file: see `metadataOf`. */
function stateOf(
  entry: Metadata,
  content: Omit<StateEntry, keyof Metadata> & Pick<StateEntry, 'sizeBytes'>
): EveryField<StateEntry> {
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
    sizeBytes: content.sizeBytes,
    sparse: entry.sparse,
    linkname: entry.linkname,
    link: entry.link,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
    xattrs: entry.xattrs,
    mapped: entry.mapped,
    sha256: content.sha256,
    signatureDigest: content.signatureDigest,
    places: content.places,
    signature: content.signature,
    dirty: content.dirty,
    carried: undefined,
    racy: content.racy,
    expectedSha256: content.expectedSha256,
    erased: undefined
  }
}

/** What the state says of a further link to the content of `first`. */
export function recordLink(item: Change, first: StateEntry): { change: Change['change']; state: StateEntry } {
  const { previous } = item
  const metadata: Metadata = { ...metadataOf(first), path: item.path }
  const { sha256, signatureDigest, signature, dirty, carried, racy, expectedSha256 } = first
  const isSame = previous !== undefined && isSameContent(previous, first)
  const change = previous === undefined || !hasDigest(first) ? 'created' : kindOfRead(metadata, previous, first)
  const places = placesFor(item, isSame ? previous : first)
  const content = { sha256, signatureDigest, places, signature, dirty, carried, racy, expectedSha256 }
  return { change, state: { ...metadata, ...content } }
}
