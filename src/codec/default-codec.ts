import type { Codec } from '../types.js'
import { gzip } from './gzip.js'
import { zstd } from './zstd.js'
import { hasZstd } from './zstd-library.js'

/** What backups are compressed with unless an option says otherwise: zstd, or gzip on a machine without it. */
export function defaultCodec(): Codec {
  return hasZstd() ? zstd() : gzip()
}
