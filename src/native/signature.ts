import { addon, type FormatArguments, type Handle } from './addon.js'
import { runJob } from './job.js'

/** The rolling sum of a block. With `StrongSum` librsync's four signature formats. */
export type WeakSum = 'rabinkarp' | 'rollsum'
/** The sum that proves a block. */
export type StrongSum = 'blake2' | 'md4'

/** Which of librsync's signatures is made. */
export interface SignatureOptions {
  /** Bytes of a block; 0 or absent: librsync's default for the size. */
  readonly blockLen?: number | undefined
  /** Bytes of a strong sum; 0 or absent: all; -1: librsync's minimum for the size. */
  readonly strongLen?: number | undefined
  readonly weak?: WeakSum | undefined
  readonly strong?: StrongSum | undefined
}

/** A signature that is loaded for making deltas. */
export interface LoadedSignature {
  readonly blockLen: number
  readonly strongLen: number
  readonly blocks: number
}

const WEAK = ['rollsum', 'rabinkarp']
const STRONG = ['md4', 'blake2']
const handles = new WeakMap<LoadedSignature, Handle<'signature'>>()

/**
 * Loads a signature, which must not change until the promise settles.
 * Memory: about 40 bytes a block.
 * @throws BackupError IBT_BAD_MAGIC, IBT_INPUT_ENDED, IBT_SIGNATURE_CORRUPT
 */
export async function loadSignature(bytes: Uint8Array, signal?: AbortSignal): Promise<LoadedSignature> {
  const { handle, blockLen, strongLen, blocks } = await runJob({ action: 'load signature' }, signal, token =>
    addon().loadSignature(bytes, token)
  )
  const signature = Object.freeze({ blockLen, strongLen, blocks })
  handles.set(signature, handle)
  return signature
}

/** What the addon knows the signature by. @throws TypeError if `loadSignature` did not make it. */
export function signatureHandle(signature: LoadedSignature): Handle<'signature'> {
  const handle = typeof signature === 'object' ? handles.get(signature) : undefined
  if (handle === undefined) throw new TypeError('basis is not a signature of loadSignature')
  return handle
}

/** The options as the addon takes them. @throws TypeError for the name of an unknown sum. */
export function formatArguments(options: SignatureOptions): FormatArguments {
  const { weak = 'rabinkarp', strong = 'blake2', blockLen = 0, strongLen = 0 } = options
  if (!WEAK.includes(weak)) throw new TypeError(`weak is one of ${WEAK.join(', ')}, not ${weak}`)
  if (!STRONG.includes(strong)) throw new TypeError(`strong is one of ${STRONG.join(', ')}, not ${strong}`)
  return [WEAK.indexOf(weak), STRONG.indexOf(strong), blockLen, strongLen]
}
