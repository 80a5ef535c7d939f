import { type BundleOptions, checkVolumeBytes, GatheredVolumes } from '../bundle/write-volumes.js'
import { BackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { END_OF_ARCHIVE } from '../format/tar-encode.js'
import { type Chunk, type Counted, isChunk, isEntry, isPiece, isSealed, type Sealed, type Stage } from '../types.js'

/**
 * A backup as one plain tar, for a pipe, a socket or a file; `unbundle`, `ibt import` and any tar read it.
 *
 * Consumes `Chunk` and `Sealed`; yields bytes, and drops other items. It stands in the place of `publish`. An artifact
 * that fits into one volume is one entry under its own name. A longer one is the entries `KEY.KIND.DATE.vNNNNN.EXT`, one
 * for each volume, which may stand between those of other artifacts. The state's last volume comes last. A tar that was
 * cut off has no end, or no last volume of its state.
 * Look-ahead and memory: one volume of `volumeBytes` for each artifact under way; twice as much after each 20,000 volumes
 * of one artifact.
 *
 * @throws RangeError at the call for a size that makes no sense. TypeError for entries and pieces: `encode` and
 * `stateEmit` come before it. BackupError IBT_STORE_FAILED for an artifact that was never sealed, IBT_WRITE_FAILED for one
 * that is too long for its volumes.
 */
export function bundle(options: BundleOptions = {}): Stage<Chunk | Sealed | Counted, Uint8Array> {
  const volumeBytes = checkVolumeBytes(options)
  return async function* bundleStage(source) {
    const open = new Map<string, GatheredVolumes>()
    const breather = createBreather()
    const find = ({ name, kind }: Chunk | Sealed): GatheredVolumes => {
      const volumes = open.get(name) ?? new GatheredVolumes(name, kind, volumeBytes)
      open.set(name, volumes)
      return volumes
    }
    for await (const item of source) {
      if (breather.due()) await breather.pause()
      if (isChunk(item)) yield* find(item).add(item)
      else if (isSealed(item)) {
        yield* find(item).seal(item)
        open.delete(item.name)
      } else if (isPiece(item) || isEntry(item)) {
        throw new TypeError('bundle: encode, stateEmit and another encode come before it')
      }
    }
    for (const name of open.keys()) {
      throw new BackupError('IBT_STORE_FAILED', `Artifact ${name} was never sealed`, { path: name })
    }
    yield END_OF_ARCHIVE
  }
}
