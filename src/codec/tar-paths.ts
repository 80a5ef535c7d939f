import { BLOCK_BYTES } from '../format/tar.js'
import { isEndBlock } from '../format/tar-decode.js'
import type { Archive } from '../types.js'
import { entryBehind } from './tar-body.js'

/**
 * The paths of the entries of an archive, in its order. Bodies are passed over: of a long one, no frame is decoded.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_ARCHIVE_TRUNCATED
 */
export async function* tarPaths(archive: Archive): AsyncGenerator<string, void, undefined> {
  for (let offset = 0; !isEndBlock(await archive.read(offset, BLOCK_BYTES)); ) {
    const { path, end } = await entryBehind(archive, offset)
    yield path
    offset = end
  }
}
