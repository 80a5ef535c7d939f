import { tmpdir } from 'node:os'
import { nextDate } from '../../format/dates.js'
import { pipe } from '../../interop/pipe.js'
import { type Erasing, eraseEntries } from '../../rewrite/erase-entries.js'
import { foldBodies } from '../../rewrite/fold-bodies.js'
import type { MergePlan } from '../../rewrite/plan-merge.js'
import { recordMerged } from '../../rewrite/record-merged.js'
import { wholeBodies } from '../../rewrite/whole-bodies.js'
import { encode } from '../../stages/encode.js'
import { observe } from '../../stages/observe.js'
import { type PackOptions, pack } from '../../stages/pack.js'
import { patch } from '../../stages/patch.js'
import { type Published, publish } from '../../stages/publish.js'
import { stateEmit } from '../../stages/state-emit.js'
import { unpack } from '../../stages/unpack.js'
import type { Chain } from '../../stores/chain.js'
import type { Artifact, ChainLink, Signed, Source, StateHeader, Totals } from '../../types.js'
import { encryption } from '../backup-stages.js'
import type { Writing } from '../encrypted.js'
import type { Progress } from '../options.js'
import { progress } from '../restore/restore.js'

/** How the artifacts of a date are written again. */
export interface RewriteOptions extends Writing {
  readonly spoolDirectory?: string | undefined
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** What the new artifacts are to be without. Default: nothing. */
  readonly erasing?: Erasing | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Writes the artifacts of a date again, under a fresh date, with a state that stands for its own: the stages of a restore,
 * then those of a backup. `commits` is asked before the state counts.
 *
 * @throws what the stages throw. Then the backup is as it was.
 */
export async function rewriteDate(
  chain: Chain,
  plan: MergePlan,
  options: RewriteOptions,
  commits: () => Promise<boolean>
): Promise<Published> {
  const { signal, codec, cipher, erasing } = options
  const { date, closing, stays } = plan
  const own = nextDate(Date.now(), chain.lastDate)
  const header = mergedHeader(plan, [{ date: own, asOf: date }], await stateDigest(chain, plan))
  const totals = ({ files, sizeBytes }: Totals) => (erasing ? { ...closing.totals, files, sizeBytes } : closing.totals)
  return pipe(
    mergedBodies(chain, plan, options),
    pack(archivesOf(plan)),
    recordMerged(eraseEntries(chain.writtenEntries(date), erasing), { stays }),
    encode(codec, header, { digest: cipher === undefined }),
    encryption(cipher),
    stateEmit(header, { inherited: () => inheritedBy(plan), totals }),
    encode(codec, header, { digest: cipher === undefined }),
    encryption(cipher),
    publish(chain.store, { commits }),
    { signal }
  )
}

/** The bodies that a merge stores, for `pack`; without those of entries that are stored already. */
export function mergedBodies(
  chain: Chain,
  { date, after, stays }: MergePlan,
  options: RewriteOptions,
  isStored?: (path: string) => boolean
): Source<Signed> {
  const { signal, erasing, spoolDirectory = tmpdir() } = options
  const isNewest = date === chain.newest?.date
  const watch = observe<Signed>(progress(options))
  const entries = eraseEntries(chain.entries(date), erasing)
  if (after === undefined) {
    const source = unpack(entries, chain.openArchive)
    return pipe(source, patch({ spoolDirectory }), wholeBodies({ signs: isNewest, isStored }), watch, { signal })
  }
  const fold = {
    ...{ written: eraseEntries(chain.writtenEntries(date), erasing), entries, archives: chain.openArchive },
    ...{ stays, isLost: erasing?.isLost, isStored, spoolDirectory },
    signature: isNewest ? chain.signature : undefined
  }
  return pipe(foldBodies(fold, signal), watch, { signal })
}

/** The archives that a merge writes. */
export function archivesOf({ after }: MergePlan): PackOptions {
  return after === undefined ? { whole: 'full' } : { whole: 'created', delta: 'updated' }
}

/** Earlier artifacts that the merged state needs on. */
export function inheritedBy({ closing, stays }: MergePlan): readonly Artifact[] {
  return closing.artifacts.filter(artifact => stays(artifact.date))
}

/** SHA-256 of the state that is merged. */
export function stateDigest(chain: Chain, { header }: MergePlan): Promise<string> {
  return chain.digest(header.date, 'state')
}

/** The header of a merged state, or of the record of a segment; `own`: the links of what has been written. */
export function mergedHeader(
  { date, after, header, links }: MergePlan,
  own: readonly [...ChainLink[], ChainLink],
  sha256: string
): StateHeader {
  return {
    ...header,
    kind: after === undefined ? 'full' : 'incremental',
    date: own.at(-1)!.date,
    asOf: date,
    fullReason: after === undefined ? (header.kind === 'full' ? header.fullReason : 'merged') : undefined,
    chain: [...links, ...own],
    standsFor: { date, sha256, ...(after !== undefined && { after }) }
  }
}
