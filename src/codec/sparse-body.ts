import { BackupError } from '../errors.js'
import { decodeSparseMap, EXTENTS_MAX, type SparseMap, zeros } from '../format/sparse-map.js'
import type { Archive } from '../types.js'

/** Bytes of a map of a few hundred extents. */
const MAP_BYTES = 8192
/** Bytes of a map, at most: two numbers of 16 digits an extent. */
const MAP_BYTES_MAX = EXTENTS_MAX * 34 + MAP_BYTES

/**
 * The content of a sparse file, whose body of `storedBytes` (a map and the data) begins at `start`: `sizeBytes` bytes,
 * holes as zeros. Memory: the map, and one chunk of zeros.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT
 */
export async function* sparseBody(
  archive: Archive,
  start: number,
  storedBytes: number,
  sizeBytes: number
): AsyncGenerator<Uint8Array, void, undefined> {
  const { extents, mapBytes } = await readMap(archive, start, storedBytes, sizeBytes)
  const dataBytes = extents.reduce((sum, extent) => sum + extent.sizeBytes, 0)
  if (mapBytes + dataBytes !== storedBytes) throw corrupt(archive, `${storedBytes} bytes, its map says ${dataBytes}`)
  let at = 0
  let from = start + mapBytes
  for (const { offset, sizeBytes: length } of extents) {
    yield* zeros(offset - at)
    yield* archive.bytes(from, length)
    from += length
    at = offset + length
  }
  yield* zeros(sizeBytes - at)
}

async function readMap(archive: Archive, start: number, storedBytes: number, sizeBytes: number): Promise<SparseMap> {
  for (let wanted = MAP_BYTES; ; wanted *= 4) {
    const length = Math.min(wanted, storedBytes, MAP_BYTES_MAX)
    const map = decodeSparseMap(await archive.read(start, length), sizeBytes)
    if (map !== undefined) return map
    if (length < wanted) throw corrupt(archive, 'a map that does not end')
  }
}

function corrupt(archive: Archive, what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `${archive.name} has a sparse file of ${what}`, { path: archive.name })
}
