import { pipe } from '../interop/pipe.js'
import { diff } from '../stages/diff.js'
import { type EncodeStage, encode } from '../stages/encode.js'
import { encrypt } from '../stages/encrypt.js'
import { filter } from '../stages/filter.js'
import { pack } from '../stages/pack.js'
import { type Published, publish } from '../stages/publish.js'
import { sign } from '../stages/sign.js'
import { stateEmit } from '../stages/state-emit.js'
import { walk } from '../stages/walk.js'
import type {
  Change,
  Chunk,
  Cipher,
  Counted,
  Entry,
  Packed,
  Piece,
  Sealed,
  Signed,
  Sink,
  Source,
  Stage,
  StageContext
} from '../types.js'
import type { BackupSettings, Parent } from './backup-run.js'
import { passAll } from './choose-stages.js'

/**
 * The stages of a full backup, by name: walk → filter → sign → pack → encode → encrypt → stateEmit → encodeState →
 * encryptState → publish. Without a cipher, the two of encryption pass everything on.
 */
export interface FullStages {
  readonly walk: Source<Entry>
  readonly filter: Stage<Entry>
  readonly sign: Stage<Entry, Signed>
  readonly pack: Stage<Entry, Packed | Piece>
  readonly encode: EncodeStage
  readonly encrypt: Stage<Packed | Chunk | Sealed>
  readonly stateEmit: Stage<Packed | Chunk | Sealed, Chunk | Sealed | Piece | Counted>
  readonly encodeState: EncodeStage
  readonly encryptState: Stage<Chunk | Sealed | Counted>
  readonly publish: Sink<Chunk | Sealed | Counted, Published>
}

/** The stages of an incremental backup, by name: those of a full, with `diff` behind `filter`. */
export interface IncrementalStages extends FullStages {
  /** Of a run that makes a full, this stage passes every entry on as it is. */
  readonly diff: Stage<Entry, Change>
}

/** The stages of a run. */
export function backupStages(
  { readRoot, rules, codec, cipher, header, store, detection, changedBlocks, commits, signal }: BackupSettings,
  parent: Parent | undefined
): IncrementalStages {
  const archives =
    parent === undefined ? ({ whole: 'full' } as const) : ({ whole: 'created', delta: 'updated' } as const)
  return {
    walk: walk(readRoot, rules, { signal }),
    filter: filter(rules),
    // To `sign`, an entry that was not compared is a new one.
    diff:
      parent === undefined
        ? (passAll as Stage<Entry, Entry> as Stage<Entry, Change>)
        : diff(parent.entries(), { ...detection, signature: parent.signature }),
    sign: sign({
      ...{ origins: parent?.origins, changedBlocks },
      basisDate: detection?.checksum ? undefined : parent?.date
    }),
    pack: pack(archives),
    encode: encode(codec, header, { digest: cipher === undefined }),
    encrypt: encryption(cipher),
    stateEmit: stateEmit(header, { inherited: () => parent?.artifacts ?? [] }),
    encodeState: encode(codec, header, { digest: cipher === undefined }),
    encryptState: encryption(cipher),
    publish: publish(store, { commits })
  }
}

/** The stage that encrypts, or one that costs nothing. */
export function encryption<T extends Packed | Chunk | Sealed | Counted>(cipher: Cipher | undefined): Stage<T> {
  return cipher === undefined ? passAll : encrypt(cipher)
}

/** Stages that no caller replaces. */
export interface FixedStages {
  /** Comes behind `filter`: makes the directories that did not come from the source or its filter. */
  readonly addParents: Stage<Entry>
  /** Comes behind `pack`: calls `onProgress` and `onError`, and counts what only the report says. */
  readonly watch: Stage<Packed | Piece>
}

/** Runs the stages. */
export function runStages(
  stages: IncrementalStages,
  { addParents, watch }: FixedStages,
  context: StageContext
): Promise<Published> {
  const { walk, filter, diff, sign, pack, encode, encrypt, stateEmit, encodeState, encryptState, publish } = stages
  return pipe(
    walk,
    filter,
    addParents,
    diff,
    sign,
    pack,
    watch,
    encode,
    encrypt,
    stateEmit,
    encodeState,
    encryptState,
    publish,
    context
  )
}
