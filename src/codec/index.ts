import { BackupError } from '../errors.js'
import type { Codec } from '../types.js'
import { gzip } from './gzip.js'
import { none } from './none.js'
import { zstd } from './zstd.js'

export { type ArchiveReader, openArchive } from './archive-reader.js'
export { decodeFrames } from './decode-frames.js'
export { GZIP_LEVEL, type GzipOptions, gzip } from './gzip.js'
export { none } from './none.js'
export { ZSTD_LEVEL, type ZstdOptions, zstd } from './zstd.js'

/**
 * The codec that an artifact's name asks for, to read it. Suffixes with or without their dot, in order of application.
 * @throws BackupError IBT_NAME_INVALID for a suffix, or more than one, that no codec of this package stands for
 */
export function codecFromSuffixes(suffixes: readonly string[]): Codec {
  const [suffix, ...others] = suffixes.map(text => text.replace(/^\./, ''))
  if (suffix === undefined || (suffix === '' && others.length === 0)) return none()
  if (others.length === 0 && suffix === 'zst') return zstd()
  if (others.length === 0 && suffix === 'gz') return gzip()
  const ending = suffixes.map(text => `.${text.replace(/^\./, '')}`).join('')
  throw new BackupError(
    'IBT_NAME_INVALID',
    `No codec reads artifacts that end in ${ending}: expected .zst, .gz or nothing`
  )
}
