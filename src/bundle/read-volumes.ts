import { BackupError, isBackupError } from '../errors.js'
import { checkKey, parseArtifactName } from '../format/names.js'
import type { TarHeader } from '../format/tar.js'
import { RawBody } from '../interop/tar-content.js'
import { readTar } from '../interop/tar-reader.js'
import type { Source, StageContext } from '../types.js'
import { decodeVolume, describeVolume, type Volume } from './volume.js'

/** Options of whatever reads a bundle. */
export interface ReadBundleOptions extends StageContext {
  /** Refuses artifacts of every other key: what a sender may write. Default: any key. */
  readonly key?: string | undefined
}

/** A volume with its bytes, which are read before the next volume or not at all. */
export interface ReceivedVolume {
  readonly volume: Volume
  readonly bytes: AsyncIterable<Uint8Array>
}

/**
 * The volumes of a bundle, in their order. Reads to the end of the source. Directories are passed over. Memory: one
 * header and one chunk of the source.
 *
 * @throws BackupError IBT_ARCHIVE_TRUNCATED if the bundle was cut off: it names the artifact and the volume;
 * IBT_NAME_INVALID, IBT_ARCHIVE_CORRUPT; the signal's reason.
 */
export async function* readVolumes(
  source: Source<Uint8Array>,
  { key, signal }: ReadBundleOptions
): AsyncGenerator<ReceivedVolume, void, undefined> {
  if (key !== undefined) checkKey(key)
  let last: Volume | undefined
  let isInside = false
  try {
    for await (const { found, body } of readTar(source, { signal }, (bytes, found) => new RawBody(bytes, found))) {
      if (found.header.type === 'directory') continue
      last = toVolume(found.header, key)
      isInside = true
      yield { volume: last, bytes: named(body.chunks(), last) }
      isInside = false
    }
  } catch (error) {
    throw isTruncated(error) ? cutOff(last, isInside, error) : error
  }
}

function toVolume(header: TarHeader, key: string | undefined): Volume {
  const volume = decodeVolume(header)
  const { name } = volume
  if (key === undefined || parseArtifactName(name)?.key === key) return volume
  throw new BackupError('IBT_NAME_INVALID', `${name} in the bundle is not an artifact of ${key}`, { path: name })
}

/** The bytes of a volume. Where they are cut off, the error names the volume. */
async function* named(chunks: AsyncIterable<Uint8Array>, volume: Volume): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* chunks
  } catch (error) {
    throw isTruncated(error) ? cutOff(volume, true, error) : error
  }
}

function cutOff(volume: Volume | undefined, isInside: boolean, cause: BackupError): BackupError {
  const where = volume === undefined ? 'at its beginning' : `${isInside ? 'in' : 'behind'} ${describeVolume(volume)}`
  return new BackupError('IBT_ARCHIVE_TRUNCATED', `The bundle was cut off ${where}`, { path: volume?.name, cause })
}

function isTruncated(error: unknown): error is BackupError {
  return isBackupError(error) && error.code === 'IBT_ARCHIVE_TRUNCATED'
}
