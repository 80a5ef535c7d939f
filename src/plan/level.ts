import type { Chain } from '../stores/chain.js'
import type { FullReason } from '../types.js'
import { chainDepth } from './chain-depth.js'
import { restoreCost } from './restore-cost.js'

/** How far a chain may grow before the next backup is a full. */
export interface LevelLimits {
  /** Incrementals on a full, at most. Default: any number. */
  readonly maxChain?: number | undefined
  /**
   * What a restore of the newest backup reads, divided by what it would read of a fresh full, at most. To know it, the
   * newest state and the seek tables of the archives that it needs are read. Default: any ratio.
   */
  readonly maxRestoreRatio?: number | undefined
}

/** Whether the next backup is a full or an incremental, and the figures that say so. */
export interface Level {
  readonly kind: 'full' | 'incremental'
  /** Why it is a full. */
  readonly fullReason?: FullReason | undefined
  /** Date of the newest backup. */
  readonly newest?: string | undefined
  /** Incrementals that its chain has. */
  readonly increments: number
  readonly limits: LevelLimits
  /** What a restore of the newest backup reads; undefined if nobody asks for it. */
  readonly restore?: LevelRestore | undefined
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
export function firstLevel({ maxChain, maxRestoreRatio }: LevelLimits): Level {
  return { kind: 'full', fullReason: 'first', increments: 0, limits: { maxChain, maxRestoreRatio } }
}

/** Chooses by the newest backup, which is of a date. @throws what `restoreCost` throws */
export async function chooseLevel(chain: Chain, newest: string, limits: LevelLimits): Promise<Level> {
  const { maxChain, maxRestoreRatio } = limits
  const increments = await chainDepth(chain, newest)
  const facts = { newest, increments, limits: { maxChain, maxRestoreRatio } }
  if (maxChain !== undefined && increments >= maxChain) return { kind: 'full', fullReason: 'chain-too-long', ...facts }
  if (maxRestoreRatio === undefined) return { kind: 'incremental', ...facts }
  const restore = await restoreOf(chain, newest)
  if (restore.ratio <= maxRestoreRatio) return { kind: 'incremental', ...facts, restore }
  return { kind: 'full', fullReason: 'restore-too-large', ...facts, restore }
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
