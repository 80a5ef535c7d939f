import { readVolumes } from '../bundle/read-volumes.js'
import { describeVolume, isLast, type Volume } from '../bundle/volume.js'
import { BackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { checkKey } from '../format/names.js'
import { Received } from '../interop/received.js'
import type { Chunk, Sealed, Stage } from '../types.js'

/** Options of `unbundle`. */
export interface UnbundleOptions {
  /** Refuses artifacts of every other key: what a sender may write. Default: any key. */
  readonly key?: string | undefined
}

/**
 * Reads what `bundle` has written, from a sender that need not be trusted: names of artifacts alone are let through, and
 * each artifact has to have the size and the SHA-256 that it is sealed with.
 *
 * Consumes bytes, cut anywhere; yields `Chunk` and `Sealed`, for `publish`. Reads to the end of the source. No look-ahead.
 * Memory: one chunk of the source, and the names of the artifacts. An artifact that somebody put into a tar by hand is
 * sealed with the digest that it has. What arrived of a bundle that was cut off is lost: `importBackups` keeps it.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED if the bundle was cut off, or begins behind its first volume: the error names
 * the artifact and the volume. IBT_ARCHIVE_CORRUPT, IBT_HASH_MISMATCH, IBT_NAME_INVALID.
 */
export function unbundle(options: UnbundleOptions = {}): Stage<Uint8Array, Chunk | Sealed> {
  const { key } = options
  if (key !== undefined) checkKey(key)
  return async function* unbundleStage(source, { signal } = {}) {
    const received = new Received(key)
    const breather = createBreather()
    const open = new Map<string, Volume>()
    for await (const { volume, bytes: chunks } of readVolumes(source, { key, signal })) {
      const { name, kind } = volume
      checkNext(volume, open.get(name), received.sizeOf(name))
      open.set(name, volume)
      for await (const bytes of chunks) {
        if (breather.due()) await breather.pause()
        received.add({ name, bytes })
        yield { item: 'chunk', name, kind, bytes }
      }
      if (!isLast(volume)) continue
      open.delete(name)
      if (volume.whole !== undefined) received.seal({ name, ...volume.whole })
      yield { item: 'sealed', name, kind, ...(volume.whole ?? received.close(name)) }
    }
    for (const volume of open.values()) throw missing(volume, (volume.volume ?? 0) + 1)
    received.end()
  }
}

/** @throws BackupError IBT_ARCHIVE_TRUNCATED if a volume is missing before this one */
function checkNext(volume: Volume, before: Volume | undefined, receivedBytes: number): void {
  const expected = (before?.volume ?? 0) + 1
  if ((volume.volume ?? 1) !== expected || volume.offset !== receivedBytes) throw missing(volume, expected)
}

function missing({ name }: Volume, volume: number): BackupError {
  const message = `The bundle does not have ${describeVolume({ name, volume })}`
  return new BackupError('IBT_ARCHIVE_TRUNCATED', message, { path: name })
}
