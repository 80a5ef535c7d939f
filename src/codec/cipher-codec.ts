import { CHUNK_BYTES } from '../constants.js'
import { holdAll } from '../flow/hold-all.js'
import type { Cipher, Codec, Reading, ReadRange } from '../types.js'
import { EqualFrames, none } from './none.js'

/** Tells a cipher from a codec. */
export function isCipher(reading: Reading): reading is Cipher {
  return typeof (reading as Partial<Cipher> | undefined)?.seal === 'function'
}

/** @throws TypeError for what is not a cipher, or whose suffix no name of an artifact can hold. */
export function checkCipher(cipher: Cipher): void {
  for (const call of ['seal', 'open'] as const) {
    if (typeof cipher?.[call] !== 'function') throw new TypeError(`A cipher has a function ${call}`)
  }
  if (typeof cipher.suffix === 'string' && /^\.[a-z0-9]+$/.test(cipher.suffix)) return
  throw new TypeError(`The suffix of a cipher is like .age, not ${JSON.stringify(cipher.suffix)}`)
}

/**
 * The codec that reads what a cipher has encrypted: any part of it if the cipher can, else from the start.
 * Memory: the cipher's; without `openRange` as `holdAll`, for as long as an archive is open.
 */
export function cipherCodec(cipher: Cipher): Codec {
  const ranges = (read: ReadRange, storedBytes: number, name: string) =>
    cipher.openRange?.(read, storedBytes, name) ?? holdAll(cipher.open(stored(read, storedBytes), name))
  return {
    name: cipher.name,
    suffix: cipher.suffix,
    encode: encrypts,
    finish: encrypts,
    decode: none().decode,
    ranges,
    async index(read, storedBytes, name) {
      const opened = await ranges(read, storedBytes, name)
      return new EqualFrames(opened.sizeBytes, opened.read)
    },
    async *decodeAll(source, name) {
      yield* cipher.open(source, name)
    },
    encrypted: { cipher, inner: none() }
  }
}

function encrypts(): never {
  throw new TypeError('A cipher does not encode frames: give it to the stage encrypt, or in the option encrypt')
}

async function* stored(read: ReadRange, storedBytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = 0; at < storedBytes; at += CHUNK_BYTES) yield await read(at, Math.min(storedBytes, at + CHUNK_BYTES))
}

/** The codecs that readings stand for. */
export function toCodecs(readings: readonly Reading[]): readonly Codec[] {
  return readings.map(reading => {
    if (!isCipher(reading)) return reading
    checkCipher(reading)
    return cipherCodec(reading)
  })
}
