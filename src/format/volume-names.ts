import { parseArtifactName } from './names.js'

/** Volumes of one artifact, at most: five digits each, so that `*` of a shell gives them in their order. */
export const VOLUMES_MAX = 99_999

const DATE = String.raw`.+\.\d{8}T\d{6}\.\d{3}Z`
const WHOLE = new RegExp(`^(${DATE})(\\..+)$`)
const VOLUME = new RegExp(`^(${DATE})\\.v(\\d{5})(\\..+)$`)

/** A part of an artifact: its name is that of the artifact with `.vNNNNN` behind the date. */
export interface VolumeName {
  /** The artifact's. */
  readonly name: string
  /** From 1. */
  readonly volume: number
}

/** The name of a volume of an artifact. Readers of stores do not take it for an artifact. */
export function volumeName({ name, volume }: VolumeName): string {
  const number = String(volume).padStart(5, '0')
  return name.replace(WHOLE, (_, start: string, end: string) => `${start}.v${number}${end}`)
}

/** Reads what `volumeName` writes; undefined for every other name. */
export function parseVolumeName(text: string): (VolumeName & { readonly key: string }) | undefined {
  const match = VOLUME.exec(text)
  if (match === null) return undefined
  const [, start, number, end] = match as unknown as [string, string, string, string]
  const found = { name: `${start}${end}`, volume: Number(number) }
  const key = parseArtifactName(found.name)?.key
  if (found.volume === 0 || key === undefined) return undefined
  // A key may hold anything that looks like a date.
  return volumeName(found) === text ? { ...found, key } : undefined
}
