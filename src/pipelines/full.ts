import { Memory } from '../flow/memory.js'
import { pipe } from '../interop/pipe.js'
import { type EncodeStage, encode } from '../stages/encode.js'
import { filter } from '../stages/filter.js'
import { type PackOptions, pack } from '../stages/pack.js'
import { type Published, publish } from '../stages/publish.js'
import { sign } from '../stages/sign.js'
import { stateEmit } from '../stages/state-emit.js'
import { walk, walkRuns } from '../stages/walk.js'
import type { Chunk, Counted, Entry, Origins, Packed, Piece, Sealed, Signed, Sink, Source, Stage } from '../types.js'
import type { BackupRun } from './backup-run.js'

/** The stages of a full backup, by name. */
export interface FullStages {
  readonly walk: Source<Entry>
  readonly filter: Stage<Entry>
  readonly sign: Stage<Entry, Signed>
  readonly pack: Stage<Entry, Packed | Piece>
  readonly encode: EncodeStage
  readonly stateEmit: Stage<Packed | Chunk | Sealed, Chunk | Sealed | Piece | Counted>
  readonly encodeState: EncodeStage
  readonly publish: Sink<Chunk | Sealed | Counted, Published>
}

/** Where contents go, and where those are found that need not be stored. */
export interface ArchiveOptions extends PackOptions {
  readonly origins?: Origins | undefined
}

/** Every entry whole: walk → filter → sign → pack → encode → state-emit → encode → publish. */
export function fullStages(run: BackupRun, { origins, ...archives }: ArchiveOptions = { whole: 'full' }): FullStages {
  const { root, rules, codec, header, store, commits, inRuns, signal } = run
  const memory = new Memory()
  return {
    // `filter` lets runs pass, and `sign` reads them.
    walk: inRuns ? (walkRuns(root, rules, { signal }) as AsyncGenerator<Entry>) : walk(root, rules, { signal }),
    filter: filter(rules),
    sign: sign({ memory, origins }),
    pack: pack({ ...archives, memory }),
    encode: encode(codec, header, { memory }),
    stateEmit: stateEmit(header),
    encodeState: encode(codec, header),
    publish: publish(store, { commits })
  }
}

/** Stages that no caller replaces. */
export interface FixedStages {
  /** Makes the directories that did not come from the source or its filter. */
  readonly parents: Stage<Entry>
  /** Sees what has been packed. */
  readonly watch: Stage<Packed | Piece>
}

/** Runs the stages. */
export function runFull(stages: FullStages, { parents, watch }: FixedStages, signal?: AbortSignal): Promise<Published> {
  const { walk, filter, sign, pack, encode, stateEmit, encodeState, publish } = stages
  return pipe(walk, filter, parents, sign, pack, watch, encode, stateEmit, encodeState, publish, { signal })
}
