import { BackupError } from '../../errors.js'
import { checkArtifact } from '../../format/artifact-check.js'
import { compose } from '../../interop/compose.js'
import { Received } from '../../interop/received.js'
import {
  type Chunk,
  type Counted,
  isChunk,
  isSealed,
  type Kind,
  type Sealed,
  type Stage,
  type StateHeader
} from '../../types.js'
import type { IncrementalStages } from '../backup-stages.js'

type Item = Chunk | Sealed | Counted

/** Stages that make stored bytes. */
const MAKERS = ['encode', 'encrypt', 'stateEmit', 'encodeState', 'encryptState'] as const

/**
 * The stages of a run. Where a caller's own make stored bytes, these are checked before they are published: that the seals
 * are right, and that there is a state.
 */
export function withCheck(
  chosen: IncrementalStages,
  { stages, header }: { readonly stages: IncrementalStages; readonly header: StateHeader }
): IncrementalStages {
  if (MAKERS.every(name => chosen[name] === stages[name])) return chosen
  return { ...chosen, encryptState: compose(chosen.encryptState, checkMade(header)) }
}

/**
 * Passes all items on, and throws before the state is stored. Memory: a digest for each artifact.
 *
 * @throws BackupError IBT_HASH_MISMATCH, IBT_NAME_INVALID, IBT_STATE_INVALID, IBT_ARCHIVE_CORRUPT
 */
function checkMade({ key, date }: StateHeader): Stage<Item> {
  return async function* checkMadeStage(source) {
    const made = new Received(key)
    const sealed = new Set<Kind>()
    for await (const item of source) {
      if (isChunk(item)) made.add(item)
      else if (isSealed(item)) {
        checkArtifact({ ...item, date }, key)
        made.seal(item)
        sealed.add(item.kind)
      }
      yield item
    }
    made.end()
    if (!sealed.has('state')) throw new BackupError('IBT_STATE_INVALID', `The stages have made no state of ${key}`)
  }
}
