import type { Chain } from '../stores/chain.js'
import type { FullReason } from '../types.js'
import { chainBase } from './chain-base.js'
import { restoreCost } from './restore-cost.js'

/** How far a chain may grow, and what happens then. */
export interface LevelLimits {
  /** Incrementals on a full, at most. Default: any number. */
  readonly maxChain?: number | undefined
  /**
   * What a restore of the newest backup reads, divided by what it would read of a fresh full, at most. To know it, the
   * newest state and the seek tables of the archives that it needs are read. Default: any ratio.
   */
  readonly maxRestoreRatio?: number | undefined
  /**
   * Where a limit is reached, merge what is stored and go on with an incremental, so that the source is read for changes
   * only: incrementals become one if the chain is only too long, else the newest backup becomes a full. Default: a
   * full of the source.
   */
  readonly merge?: boolean | undefined
}

/** Whether the next backup is a full or an incremental, and the figures that say so. */
export interface Level {
  readonly kind: 'full' | 'incremental'
  /** Why it is a full. */
  readonly fullReason?: FullReason | undefined
  /** What is merged before. */
  readonly merge?: LevelMerge | undefined
  /** Date of the newest backup. */
  readonly newest?: string | undefined
  /** Incrementals that its chain has. */
  readonly increments: number
  readonly limits: LevelLimits
  /** What a restore of the newest backup reads; undefined if nobody asks for it. */
  readonly restore?: LevelRestore | undefined
}

/** Which limit is reached. */
export type LimitReason = 'chain-too-long' | 'restore-too-large'

/** A merge of the newest backup. */
export interface LevelMerge {
  readonly reason: LimitReason
  /** The date whose incrementals become one; undefined if the newest backup becomes a full. */
  readonly from?: string | undefined
}

/** A restore of the newest backup, and one of a fresh full. */
export interface LevelRestore {
  readonly archives: number
  readonly requests: number
  /** Of the frames of the archives, as stored. */
  readonly readBytes: number
  /** About what the archive of a fresh full would have. */
  readonly fullBytes: number
  readonly ratio: number
}

/** @throws RangeError for a limit that makes no sense. */
export function checkLimits({ maxChain = 0, maxRestoreRatio = 1 }: LevelLimits): void {
  if (!(Number.isInteger(maxChain) && maxChain >= 0)) throw new RangeError('maxChain is a whole number of incrementals')
  if (!(maxRestoreRatio >= 1)) throw new RangeError('maxRestoreRatio is at least 1: a fresh full has 1')
}

/** There is nothing to build on. */
export function firstLevel(limits: LevelLimits): Level {
  return { kind: 'full', fullReason: 'first', increments: 0, limits: own(limits) }
}

/** Chooses by the newest backup, which is of a date. @throws what `restoreCost` throws */
export async function chooseLevel(chain: Chain, newest: string, limits: LevelLimits): Promise<Level> {
  const { maxChain = Infinity, maxRestoreRatio = Infinity, merge } = limits
  const { full, increments } = await chainBase(chain, newest)
  const restore = maxRestoreRatio === Infinity ? undefined : await restoreOf(chain, newest)
  const isLarge = restore !== undefined && restore.ratio > maxRestoreRatio
  const facts = { newest, increments, limits: own(limits), restore }
  const reason = increments >= maxChain ? 'chain-too-long' : isLarge ? 'restore-too-large' : undefined
  if (reason === undefined) return { kind: 'incremental', ...facts }
  // A merge leaves a full, or one incremental on it: there has to be room for the next.
  if (!merge || maxChain < 1) return { kind: 'full', fullReason: reason, ...facts }
  const isFold = !isLarge && maxChain > 1
  return { kind: 'incremental', merge: isFold ? { reason, from: full } : { reason }, ...facts }
}

function own({ maxChain, maxRestoreRatio, merge }: LevelLimits): LevelLimits {
  return { maxChain, maxRestoreRatio, merge }
}

/** Without the states and seek tables: a fresh full has them, too. */
async function restoreOf(chain: Chain, date: string): Promise<LevelRestore> {
  const { archives, requests, fullBytes } = await restoreCost(chain, date)
  const readBytes = archives.reduce((sum, { frameBytes }) => sum + frameBytes, 0)
  return {
    archives: archives.length,
    requests,
    readBytes,
    fullBytes,
    ratio: fullBytes === 0 ? 1 : readBytes / fullBytes
  }
}
