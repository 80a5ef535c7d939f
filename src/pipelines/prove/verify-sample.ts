import { ProofPass } from '../../proof/pass.js'
import { ProofLog } from '../../proof/proof-log.js'
import { chooseStretches, newSeed, type SampleSize, sum } from '../../proof/sample.js'
import { type Stretch, Stretches } from '../../proof/stretches.js'
import type { Chain, NeededArtifact } from '../../stores/chain.js'
import type { Artifact, Source, StateEntry, Store, StoredName } from '../../types.js'
import type { DatedState, Note } from './check-state.js'

/** What was chosen, of what. */
export interface ProvenSample {
  /** Chooses the same again, as long as nothing else is recorded. */
  readonly seed: string
  /** Chosen files, of all, and the bytes of their contents. */
  readonly files: number
  readonly allFiles: number
  readonly sizeBytes: number
  readonly allSizeBytes: number
  /** Files that were proven lately enough: these were not chosen. */
  readonly recentFiles: number
  /** Files that no record says were proven, this verification included. */
  readonly unprovenFiles: number
}

export interface SampleOptions {
  readonly sample?: SampleSize | undefined
  readonly seed?: string | undefined
  readonly maxAgeMs?: number | undefined
  readonly store: Store
  readonly stored: readonly StoredName[]
  /** The artifacts that the backup needs, and those of them that are there with their size. */
  readonly needed: readonly NeededArtifact[]
  readonly whole: readonly NeededArtifact[]
  readonly signal?: AbortSignal | undefined
  readonly note: Note
}

/** Reads what was proven before, looks where each content is, and chooses. The state is read once for it. */
export async function openSample(
  chain: Chain,
  { date, header }: DatedState,
  options: SampleOptions
): Promise<RunningSample> {
  const { sample, maxAgeMs, seed = newSeed(), note } = options
  const { key } = header
  const dates = [date, ...header.chain.flatMap(link => [link.date, link.asOf ?? link.date])]
  const needed = options.needed.filter(isSealed)
  const log = await ProofLog.open({ ...options, needed, key, date, dates, onNote: note })
  const stretches = new Stretches(options.whole.filter(isSealed), log.find)
  for await (const entry of chain.entries(date)) stretches.add(entry)
  const { all } = stretches
  const beforeMs = maxAgeMs === undefined ? 0 : Date.now() - maxAgeMs
  const chosen = chooseStretches(all, sample, { seed, beforeMs })
  return new RunningSample(new ProofPass(stretches, chosen), log, {
    seed,
    files: sum(chosen, 'files'),
    allFiles: sum(all, 'files'),
    sizeBytes: contentBytes(chosen),
    allSizeBytes: contentBytes(all),
    recentFiles: beforeMs === 0 ? 0 : filesOf(all, ({ provenMs }) => provenMs >= beforeMs),
    unprovenFiles: filesOf(all, ({ provenMs }) => provenMs === 0)
  })
}

/** States have no digest of their own, and no contents. */
function isSealed(artifact: NeededArtifact): artifact is Artifact {
  return artifact.sha256 !== undefined
}

/** A sample that is being proven. */
export class RunningSample {
  #unprovenFiles: number

  constructor(
    readonly pass: ProofPass,
    readonly log: ProofLog,
    readonly choice: ProvenSample
  ) {
    this.#unprovenFiles = choice.unprovenFiles
  }

  get report(): ProvenSample {
    return { ...this.choice, unprovenFiles: this.#unprovenFiles }
  }

  /** All entries but the files that are not chosen. */
  async *chosen(entries: Source<StateEntry>): AsyncGenerator<StateEntry, void, undefined> {
    for await (const entry of entries) if (this.pass.takes(entry)) yield entry
  }

  readonly settle = async (path: string, isProven: boolean): Promise<void> => {
    const stretch = this.pass.settle(path, isProven)
    if (stretch !== undefined) await this.#record(stretch)
  }

  /** Proves the chosen sigvaults, and records everything. */
  async end(checkDigest: (artifact: Artifact) => Promise<boolean>): Promise<void> {
    for (const stretch of this.pass.chosen) {
      if (stretch.artifact.kind === 'sigvault' && (await checkDigest(stretch.artifact))) await this.#record(stretch)
    }
    await this.log.save()
  }

  async #record(stretch: Stretch): Promise<void> {
    if (stretch.provenMs === 0) this.#unprovenFiles -= stretch.files
    await this.log.record(stretch)
  }
}

/** The bytes of sigvaults, which are stretches too, are those of no file. */
function contentBytes(stretches: Iterable<Stretch>): number {
  return sum(
    [...stretches].filter(({ artifact }) => artifact.kind !== 'sigvault'),
    'sizeBytes'
  )
}

function filesOf(stretches: readonly Stretch[], isCounted: (stretch: Stretch) => boolean): number {
  return sum(stretches.filter(isCounted), 'files')
}
