import {
  CHAIN_DELTAS,
  DELTA_MAX_SHARE,
  RACY_MS,
  SIGNED_MIN_BYTES,
  SIGVAULT_BLOCK_LEN_MIN,
  SIGVAULT_STRONG_LEN
} from '../constants.js'
import type { BatchOptions } from '../native.js'
import type { StateEntry, WholeReason } from '../types.js'

/** When a content is signed and when its delta is kept. Every default is in `constants.ts`. */
export interface SignPolicy {
  /** Smaller contents are not signed. Default: `SIGNED_MIN_BYTES`. */
  readonly signedMinBytes?: number | undefined
  /** Default: `SIGVAULT_BLOCK_LEN_MIN`. */
  readonly blockLenMin?: number | undefined
  /** Default: none; with `changedBlocks`, `TRACKED_BLOCK_LEN_MAX`. */
  readonly blockLenMax?: number | undefined
  /** Default: `SIGVAULT_STRONG_LEN`. */
  readonly strongLen?: number | undefined
  /** Default: `DELTA_MAX_SHARE`. */
  readonly deltaMaxShare?: number | undefined
  /** Default: `CHAIN_DELTAS`. */
  readonly chainDeltas?: number | undefined
}

/** A policy with its defaults filled in. */
export type Policy = { readonly [Name in keyof SignPolicy]-?: number }

/** @throws RangeError for a value that makes no sense. */
export function checkPolicy(options: SignPolicy): Policy {
  const policy = {
    signedMinBytes: options.signedMinBytes ?? SIGNED_MIN_BYTES,
    blockLenMin: options.blockLenMin ?? SIGVAULT_BLOCK_LEN_MIN,
    blockLenMax: options.blockLenMax ?? Infinity,
    strongLen: options.strongLen ?? SIGVAULT_STRONG_LEN,
    deltaMaxShare: options.deltaMaxShare ?? DELTA_MAX_SHARE,
    chainDeltas: options.chainDeltas ?? CHAIN_DELTAS
  }
  if (!(policy.signedMinBytes >= 0)) throw new RangeError('signedMinBytes is not negative')
  if (!(policy.blockLenMin >= 1)) throw new RangeError('blockLenMin is positive')
  if (!(policy.blockLenMax >= policy.blockLenMin)) throw new RangeError('blockLenMax is at least blockLenMin')
  if (!(policy.strongLen >= 1 && policy.strongLen <= 32)) throw new RangeError('strongLen is 1 to 32')
  if (!(policy.deltaMaxShare >= 0 && policy.deltaMaxShare <= 1)) throw new RangeError('deltaMaxShare is 0 to 1')
  if (!(policy.chainDeltas >= 0)) throw new RangeError('chainDeltas is not negative')
  return policy
}

export function batchOptions(policy: Policy): BatchOptions {
  const { signedMinBytes: signMinBytes, blockLenMin, strongLen } = policy
  return { signMinBytes, blockLenMin, strongLen, racyMs: RACY_MS }
}

/**
 * Why one more delta on what is stored cannot pay; undefined if it may. A chain ends when its deltas cost more than the
 * content.
 */
export function whyNoDelta(previous: StateEntry, sizeBytes: number, policy: Policy): WholeReason | undefined {
  const { places = [] } = previous
  if (policy.signedMinBytes === Infinity) return 'not-compared'
  if (sizeBytes < policy.signedMinBytes) return 'too-small'
  if (places.length > policy.chainDeltas) return 'chain-too-long'
  return chainBytes(previous) < sizeBytes ? undefined : 'chain-too-large'
}

/** Whether a delta of a content is kept. */
export function pays(deltaBytes: number, previous: StateEntry, sizeBytes: number, policy: Policy): boolean {
  return deltaBytes <= sizeBytes * policy.deltaMaxShare && chainBytes(previous) + deltaBytes <= sizeBytes
}

/** Bytes of the deltas that are stored on the whole content. */
function chainBytes({ places = [] }: StateEntry): number {
  return places.slice(1).reduce((sum, place) => sum + (place.sizeBytes ?? 0), 0)
}

/** librsync's default for the size (the root of it, a multiple of 128), within the policy's bounds. */
export function sigvaultBlockLen(
  sizeBytes: number | undefined,
  { blockLenMin, blockLenMax }: Pick<Policy, 'blockLenMin' | 'blockLenMax'>
): number {
  return Math.min(blockLenMax, Math.max(blockLenMin, Math.floor(Math.sqrt(sizeBytes ?? 0) / 128) * 128))
}
