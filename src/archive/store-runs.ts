import { isSigned, summaryOf } from '../change/batch.js'
import type { PlacedPart, ReadRuns } from '../change/run-batch.js'
import type { StoredRuns } from '../change/runs.js'
import { withStat } from '../change/settle.js'
import type { ArchiveWriter } from '../format/archive-writer.js'
import type { ArchiveKind } from '../types.js'
import { storeSignature } from './store-signature.js'

interface Archives {
  readonly whole: ArchiveWriter
  readonly sigvault: ArchiveWriter
}

/** Takes runs that are a part of a tar already, and stores the signatures of their files. */
export function storeRuns(
  { parts, tar, batch }: ReadRuns,
  kind: ArchiveKind,
  { whole, sigvault }: Archives
): StoredRuns {
  const base = whole.entries(tar)
  const stored = parts.map(part => ({ ...part, kind, base, signatures: storeSignatures(part, sigvault) }))
  const { directory, end } = parts.at(-1)!
  return {
    stored,
    entries: parts.reduce((sum, { begin, end }) => sum + end - begin, 0),
    files: batch.count,
    sizeBytes: batch.sizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0),
    lastPath: () => directory.pathOf(end - 1)
  }
}

/** Where they are, by entry; -1 for one without. */
function storeSignatures({ directory, begin, end, batch, first }: PlacedPart, sigvault: ArchiveWriter): Float64Array {
  const offsets = new Float64Array(end - begin).fill(-1)
  let file = first
  for (let i = begin; i < end; i++) {
    if (directory.typeOf(i) !== 'file') continue
    if (isSigned(batch, file)) {
      const item = withStat(directory.entry(i), batch, file)
      offsets[i - begin] = storeSignature(sigvault, item, summaryOf(batch, file))!.offset
    }
    file++
  }
  return offsets
}
