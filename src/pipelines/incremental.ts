import { pipe } from '../interop/pipe.js'
import { diff } from '../stages/diff.js'
import type { Published } from '../stages/publish.js'
import { stateEmit } from '../stages/state-emit.js'
import type { Change, Entry, Stage } from '../types.js'
import type { BackupRun, Parent } from './backup-run.js'
import { type FixedStages, type FullStages, fullStages } from './full.js'

/** The stages of an incremental backup, by name. */
export interface IncrementalStages extends FullStages {
  readonly diff: Stage<Entry, Change>
}

/** What has changed since the parent: as a full, with diff behind filter, and deltas in an archive of their own. */
export function incrementalStages(run: BackupRun, parent: Parent): IncrementalStages {
  const { detection, header } = run
  return {
    ...fullStages(run, { whole: 'created', delta: 'updated', origins: parent.origins }),
    diff: diff(parent.entries(), { ...detection, signature: parent.signature }),
    stateEmit: stateEmit(header, { inherited: () => parent.artifacts })
  }
}

/** Runs the stages. */
export function runIncremental(
  stages: IncrementalStages,
  { parents, watch }: FixedStages,
  signal?: AbortSignal
): Promise<Published> {
  const { walk, filter, diff, sign, pack, encode, stateEmit, encodeState, publish } = stages
  return pipe(walk, filter, parents, diff, sign, pack, watch, encode, stateEmit, encodeState, publish, { signal })
}
