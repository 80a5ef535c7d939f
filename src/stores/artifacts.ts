import { type FindCodec, unknownCodec } from '../codec/index.js'
import { parseArtifactName } from '../format/names.js'
import type { Codec, Kind, StoredName } from '../types.js'

/** An artifact as the store lists it. */
export interface StoredArtifact extends StoredName {
  readonly kind: Kind
  readonly date: string
  /** The date that users ask for, if it is another. */
  readonly asOf?: string | undefined
  /** What reads it. @throws BackupError IBT_CODEC_UNKNOWN if no codec does */
  readonly codec: () => Codec
}

/** What people and programs lay beside a file: sums, signatures, repair data, copies, downloads under way. */
const BESIDE = new Set(
  'sha sha1 sha224 sha256 sha384 sha512 md5 b2 b3 blake2 crc crc32 sfv asc sig minisig par par2 torrent meta json txt log lock bak backup old orig save copy part partial filepart crdownload tmp temp swp'.split(
    ' '
  )
)

interface Found extends StoredArtifact {
  readonly suffixes: readonly string[]
}

/**
 * The artifacts of a key among the names of a store, one of each kind and date. What lies beside an artifact is none:
 * a name that no codec reads is left out if the artifact is there without its last suffixes, or if its last suffix is
 * that of a sum, a signature or a copy. What else no codec reads stays an artifact, and its `codec` throws.
 */
export function findArtifacts(stored: readonly StoredName[], key: string, find: FindCodec): StoredArtifact[] {
  const names = new Set(stored.map(({ name }) => name))
  const found: Found[] = []
  for (const listed of stored) {
    const { name } = listed
    const parsed = parseArtifactName(name)
    if (parsed?.key !== key) continue
    const { kind, date, asOf, suffixes } = parsed
    const codec = find(suffixes)
    if (codec === undefined && isBeside(name, suffixes, names)) continue
    found.push({ ...listed, kind, date, asOf, suffixes, codec: () => codec ?? raise(name) })
  }
  return withoutCopies(found, find)
}

function isBeside(name: string, suffixes: readonly string[], names: ReadonlySet<string>): boolean {
  if (BESIDE.has(suffixes.at(-1)!)) return true
  let base = name
  for (const suffix of suffixes.toReversed()) {
    base = base.slice(0, -suffix.length - 1)
    if (names.has(base)) return true
  }
  return false
}

/**
 * Of several artifacts of one kind and date, somebody made all but one: by `zstd -d`, for instance. The one whose
 * suffixes most artifacts of the key have is the writer's. Of those it is the one with the most suffixes that one codec
 * reads: `.zst` beside nothing was decoded, `.zst.gz` beside `.zst` was compressed again.
 */
function withoutCopies(found: readonly Found[], find: FindCodec): StoredArtifact[] {
  const counts = new Map<string, number>()
  const ending = ({ suffixes }: Found) => suffixes.join('.')
  for (const artifact of found) counts.set(ending(artifact), (counts.get(ending(artifact)) ?? 0) + 1)
  const best = new Map<string, Found>()
  const isBetter = (a: Found, b: Found) => {
    const more = counts.get(ending(a))! - counts.get(ending(b))!
    const whole = Number(find.isWhole(a.suffixes)) - Number(find.isWhole(b.suffixes))
    return (more || whole || a.suffixes.length - b.suffixes.length) > 0
  }
  for (const artifact of found) {
    const id = `${artifact.kind} ${artifact.date}`
    const other = best.get(id)
    if (other === undefined || isBetter(artifact, other)) best.set(id, artifact)
  }
  return [...best.values()]
}

function raise(name: string): never {
  throw unknownCodec(name)
}
