import type { Codec } from '../types.js'
import { gzip } from './gzip.js'
import { none } from './none.js'
import { zstd } from './zstd.js'

const CODECS = { zstd, gzip, none }

/** The codec that a text names, with a level where one is given: `zstd:9`. @throws RangeError */
export function parseCodec(text: string): Codec {
  const [name, level] = text.split(':', 2)
  if (!Object.hasOwn(CODECS, name!)) throw new RangeError(`'${name}' is not a codec: give zstd, gzip or none`)
  if (level !== undefined && !/^-?\d+$/.test(level)) throw new RangeError(`'${level}' is not a compression level`)
  return CODECS[name as 'zstd'](level === undefined ? {} : { level: Number(level) })
}
