import { createHash, randomBytes } from 'node:crypto'
import type { Stretch } from './stretches.js'

/** How much is proven, at least: whole stretches are, and one in any case. */
export type SampleSize =
  /** Of the bytes of all contents. */
  { readonly percent: number } | { readonly files: number } | { readonly sizeBytes: number }

/** What is chosen from, and how. */
export interface ChooseOptions {
  /** Decides among stretches that were proven at the same time, or never. */
  readonly seed: string
  /** Only what was proven before it, or never; 0 for all. */
  readonly beforeMs: number
}

/** @throws RangeError */
export function checkSample(size: SampleSize): void {
  const [name, value = 0] = Object.entries(size)[0] ?? []
  const isKnown = name === 'percent' || name === 'files' || name === 'sizeBytes'
  if (!isKnown || !(value > 0) || (name === 'percent' && value > 100)) {
    throw new RangeError('sample: percent (above 0, up to 100), files or sizeBytes (above 0) is expected')
  }
}

export function newSeed(): string {
  return randomBytes(8).toString('hex')
}

/**
 * The stretches of a sample: those that were proven the longest ago first, and those that never were before them. So
 * samples cover everything over time. Without a size it is all that is due.
 */
export function chooseStretches(
  all: readonly Stretch[],
  size: SampleSize | undefined,
  { seed, beforeMs }: ChooseOptions
): ReadonlySet<Stretch> {
  const due = all.filter(({ provenMs }) => beforeMs === 0 || provenMs < beforeMs)
  if (size === undefined) return new Set(due)
  const wanted = { files: 0, sizeBytes: 0, ...size }
  if ('percent' in size) wanted.sizeBytes = (sum(all, 'sizeBytes') * size.percent) / 100
  const chosen = new Set<Stretch>()
  let [files, sizeBytes] = [0, 0]
  for (const stretch of inOrder(due, seed)) {
    if (chosen.size > 0 && files >= wanted.files && sizeBytes >= wanted.sizeBytes) break
    chosen.add(stretch)
    files += stretch.files
    sizeBytes += stretch.sizeBytes
  }
  return chosen
}

export function sum(stretches: Iterable<Stretch>, field: 'files' | 'sizeBytes'): number {
  let total = 0
  for (const stretch of stretches) total += stretch[field]
  return total
}

function inOrder(stretches: readonly Stretch[], seed: string): readonly Stretch[] {
  const ranked = stretches.map(stretch => ({ stretch, rank: rankOf(stretch, seed) }))
  ranked.sort((a, b) => a.stretch.provenMs - b.stretch.provenMs || (a.rank < b.rank ? -1 : 1))
  return ranked.map(({ stretch }) => stretch)
}

/** The same for the same seed, on every machine. */
function rankOf({ artifact, index }: Stretch, seed: string): string {
  return createHash('sha256').update(`${seed} ${index} ${artifact.name}`).digest('hex')
}
