import { traceRun } from '../../flow/tracing.js'
import { type ForeignSink, toOutput } from '../../interop/foreign.js'
import { pipe } from '../../interop/pipe.js'
import { openPlaces } from '../../places/places.js'
import type { Restorable } from '../../restore/restored.js'
import { isPassedOver, wasErased, whyNotRestored } from '../../restore/unrestorable.js'
import { observe } from '../../stages/observe.js'
import { only } from '../../stages/only.js'
import { pack } from '../../stages/pack.js'
import { patch } from '../../stages/patch.js'
import type { Entry, Layered, Packed, Piece, Sink, Source, Stage } from '../../types.js'
import { chooseStages, type StagesOption } from '../choose-stages.js'
import { type ArchiveReads, progress, type SelectOptions, selectEntries } from './restore.js'

/** The stages of a restore into a tar, by name. */
export interface TarStages {
  readonly unpack: Source<Layered>
  readonly filter: Stage<Layered>
  readonly patch: Stage<Layered, Entry>
  readonly pack: Stage<Entry, Packed | Piece>
}

/** Options of `restoreTar`. */
export interface RestoreTarOptions extends SelectOptions {
  /** Replaces stages of the pipeline, by name: a record, or a function of the pipeline's own. */
  readonly stages?: StagesOption<TarStages> | undefined
}

/** What a restore into a tar has done. */
export interface TarReport {
  readonly key: string
  readonly date: string
  readonly entries: number
  readonly files: number
  /** Of the contents. */
  readonly sizeBytes: number
  /** Entries that are not in the tar: their contents could not be read when they were backed up. */
  readonly skippedEntries: number
  /** Entries whose content was erased from all backups. They are not among the skipped ones. */
  readonly erasedEntries: number
  /** Of these entries, files suspected of bit rot. */
  readonly suspectFiles: number
  readonly reads: ArchiveReads
}

/**
 * Restores a directory as it was at a date, as one tar: into a stream or any other sink, without temporary disk but for
 * deltas of large files. Holes of sparse files are zeros in it. A content turns out to be wrong before its first byte,
 * or, if it is longer than `PART_BYTES`, after its last: the tar is cut off then.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_ARCHIVED, IBT_HASH_MISMATCH, and what the stages and the output throw.
 */
export function restoreTar(
  key: string,
  output: Sink<Uint8Array, unknown> | ForeignSink,
  options: RestoreTarOptions = {}
): Promise<TarReport> {
  return traceRun({ operation: 'restore', key }, () => restore(key, output, options))
}

async function restore(
  key: string,
  output: Sink<Uint8Array, unknown> | ForeignSink,
  options: RestoreTarOptions
): Promise<TarReport> {
  const { signal, onError } = options
  signal?.throwIfAborted()
  const { date, reads, ...selected } = await selectEntries(key, openPlaces(options), options)
  const defaults: TarStages = {
    unpack: selected.unpack,
    filter: selected.filter,
    patch: patch(),
    pack: pack({ whole: 'full' })
  }
  const stages = chooseStages(defaults, options.stages, selected.filter)
  const counts = { entries: 0, files: 0, sizeBytes: 0, skippedEntries: 0, erasedEntries: 0, suspectFiles: 0 }
  const count = (entry: Restorable) => {
    if (isPassedOver(entry)) return
    if (wasErased(entry)) {
      counts.erasedEntries++
      return
    }
    const error = whyNotRestored(entry)
    if (error === undefined) {
      counts.entries++
      counts.sizeBytes += entry.sizeBytes ?? 0
      if (entry.type === 'file') counts.files++
      if (entry.expectedSha256 !== undefined) counts.suspectFiles++
    } else {
      counts.skippedEntries++
      onError?.(error)
    }
  }
  const watch = [observe(count), observe(progress(options))] as const
  await pipe(stages.unpack, stages.filter, stages.patch, ...watch, stages.pack, only('full'), toOutput(output), {
    signal
  })
  return { key, date, ...counts, reads: await reads() }
}
