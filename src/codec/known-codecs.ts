import { BackupError } from '../errors.js'
import type { Codec, Reading } from '../types.js'
import { chainCodecs } from './chain-codecs.js'
import { toCodecs } from './cipher-codec.js'
import { gzip } from './gzip.js'
import { none } from './none.js'
import { zstd } from './zstd.js'

/**
 * Finds the codec that reads artifacts with these suffixes: one of the caller's codecs, else one of this package, else a
 * chain of them. Returns undefined if no codec reads such artifacts. Suffixes are in order of application, without dots.
 */
export interface FindCodec {
  (suffixes: readonly string[]): Codec | undefined
  /** Whether one codec reads them, without making a chain. */
  isWhole(suffixes: readonly string[]): boolean
}

/** What reads the artifacts of this package. */
const OURS: readonly (() => Codec)[] = [none, zstd, gzip]

/**
 * The codecs that readers know: the caller's own first, ciphers among them, then those of this package.
 *
 * @throws TypeError if an item is not a codec; RangeError if two of the caller's codecs have the same suffix.
 */
export function knownCodecs(readings: readonly Reading[] = []): FindCodec {
  const own = toCodecs(readings)
  own.forEach(checkCodec)
  const bySuffix = new Map<string, Codec>(OURS.map(make => [make().suffix, make()]))
  for (const codec of own) {
    const other = own.find(({ suffix }) => suffix === codec.suffix)
    if (other !== codec) throw new RangeError(`Two codecs have the suffix ${JSON.stringify(codec.suffix)}`)
    bySuffix.set(codec.suffix, codec)
  }
  const isWhole = (suffixes: readonly string[]) => bySuffix.has(suffixOf(suffixes))
  return Object.assign(find, { isWhole })

  function find(suffixes: readonly string[]): Codec | undefined {
    const whole = bySuffix.get(suffixOf(suffixes))
    if (whole !== undefined) return whole
    for (let length = suffixes.length - 1; length > 0; length--) {
      const first = bySuffix.get(suffixOf(suffixes.slice(0, length)))
      const rest = first && find(suffixes.slice(length))
      if (rest !== undefined) return chainCodecs(first!, rest)
    }
    return undefined
  }
}

/**
 * The codec that an artifact's name asks for, to read it. Suffixes with or without their dot, in order of application.
 *
 * @throws BackupError IBT_CODEC_UNKNOWN for suffixes that neither `own` nor the codecs of this package read
 */
export function codecFromSuffixes(suffixes: readonly string[], own: readonly Reading[] = []): Codec {
  const parts = suffixes.map(text => text.replace(/^\./, '')).filter(text => text !== '')
  const codec = knownCodecs(own)(parts)
  if (codec !== undefined) return codec
  throw new BackupError('IBT_CODEC_UNKNOWN', `No codec reads artifacts that end in ${suffixOf(parts)}: ${HINT}`)
}

/** The error of an artifact that no codec reads. */
export function unknownCodec(name: string): BackupError {
  if (/\.age(?:\.|$)/.test(name)) return keyMissing(name)
  return new BackupError('IBT_CODEC_UNKNOWN', `No codec reads ${name}: ${HINT}`, { path: name })
}

/** The error of an artifact that is encrypted with age, where no key is given. */
export function keyMissing(name: string): BackupError {
  const message = `${name} is encrypted with age and no key is given: ${KEY_HINT}`
  return new BackupError('IBT_KEY_MISSING', message, { path: name })
}

/** How keys for reading are given. */
export const KEY_HINT =
  'give --identity FILE or --passphrase-file FILE, or `age({ identities })` in the option `codecs`'
const HINT = 'give the codec that wrote it in the option `codecs`'

/** @throws TypeError for a value that is not a codec, or whose suffix no name of an artifact can hold. */
export function checkCodec(codec: Codec): void {
  const methods = ['encode', 'decode', 'finish', 'index', 'decodeAll'] as const
  const missing = methods.find(method => typeof codec?.[method] !== 'function')
  if (missing !== undefined) throw new TypeError(`A codec has a function ${missing}`)
  if (typeof codec.suffix === 'string' && /^(?:\.[a-z0-9]+)*$/.test(codec.suffix)) return
  throw new TypeError(`A suffix is like .zst or .zst.age, not ${JSON.stringify(codec.suffix)}`)
}

function suffixOf(suffixes: readonly string[]): string {
  return suffixes.map(suffix => `.${suffix}`).join('')
}
