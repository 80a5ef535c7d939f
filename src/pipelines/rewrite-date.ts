import { tmpdir } from 'node:os'
import { nextDate } from '../format/dates.js'
import { pipe } from '../interop/pipe.js'
import { type Erasing, eraseEntries } from '../rewrite/erase-entries.js'
import { foldBodies } from '../rewrite/fold-bodies.js'
import type { MergePlan } from '../rewrite/plan-merge.js'
import { recordMerged } from '../rewrite/record-merged.js'
import { wholeBodies } from '../rewrite/whole-bodies.js'
import { encode } from '../stages/encode.js'
import { observe } from '../stages/observe.js'
import { pack } from '../stages/pack.js'
import { patch } from '../stages/patch.js'
import { type Published, publish } from '../stages/publish.js'
import { stateEmit } from '../stages/state-emit.js'
import { unpack } from '../stages/unpack.js'
import type { Chain } from '../stores/chain.js'
import type { Signed, StateHeader, Totals } from '../types.js'
import { encryption } from './backup-stages.js'
import type { Writing } from './encrypted.js'
import type { Progress } from './options.js'
import { progress } from './restore.js'

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
  const { signal, codec, cipher, erasing, spoolDirectory = tmpdir() } = options
  const { date, after, closing, stays } = plan
  const header = await makeHeader(chain, plan)
  const backup = { key: chain.key, date: header.date, asOf: date }
  const isNewest = date === chain.newest?.date
  const inherited = closing.artifacts.filter(artifact => stays(artifact.date))
  const totals = ({ files, sizeBytes }: Totals) => (erasing ? { ...closing.totals, files, sizeBytes } : closing.totals)
  const behind = [
    encode(codec, backup, { digest: cipher === undefined }),
    encryption(cipher),
    stateEmit(header, { inherited: () => inherited, totals }),
    encode(codec, backup, { digest: cipher === undefined }),
    encryption(cipher),
    publish(chain.store, { commits })
  ] as const
  const watch = observe<Signed>(progress(options))
  const entries = eraseEntries(chain.entries(date), erasing)
  const written = () => eraseEntries(chain.writtenEntries(date), erasing)
  const record = recordMerged(written(), { stays })
  if (after === undefined) {
    const whole = wholeBodies({ signs: isNewest })
    const source = unpack(entries, chain.openArchive)
    return pipe(source, patch({ spoolDirectory }), whole, watch, pack({ whole: 'full' }), record, ...behind, { signal })
  }
  const bodies = foldBodies(
    {
      ...{ written: written(), entries, archives: chain.openArchive },
      ...{ stays, isLost: erasing?.isLost, spoolDirectory },
      signature: isNewest ? chain.signature : undefined
    },
    signal
  )
  return pipe(bodies, watch, pack({ whole: 'created', delta: 'updated' }), record, ...behind, { signal })
}

async function makeHeader(chain: Chain, { date, after, header, links }: MergePlan): Promise<StateHeader> {
  const own = nextDate(Date.now(), chain.newestDate)
  const sha256 = await chain.digest(header.date, 'state')
  return {
    ...header,
    kind: after === undefined ? 'full' : 'incremental',
    date: own,
    fullReason: after === undefined ? (header.kind === 'full' ? header.fullReason : 'merged') : undefined,
    chain: [...links, { date: own, asOf: date }],
    standsFor: { date, sha256, ...(after !== undefined && { after }) }
  }
}
