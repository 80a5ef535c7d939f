import { BackupError, type ErrorCode, isBackupError } from '../../errors.js'
import { chooseLevel, firstLevel, type Level } from '../../plan/level.js'
import type { Chain } from '../../stores/chain.js'
import type { FullReason, Totals } from '../../types.js'
import { checkSource, lostArtifact, openParent, type Source, type StoredParent } from '../backup-run.js'
import type { RunOptions } from '../options.js'

/** What is made: `auto` is a full if there is no backup yet or a limit is reached, else an incremental. */
export type RunKind = 'full' | 'incremental' | 'auto'

/** Options of `findParent`. */
export type ParentOptions = Pick<
  RunOptions,
  'allowSourceMismatch' | 'onError' | 'maxChain' | 'maxRestoreRatio' | 'merge' | 'signal'
>

/** The newest backup of a key, and what comes next. */
export interface Newest {
  /** The backup to build on: none for a full. */
  readonly parent?: StoredParent | undefined
  /** What the newest backup counted, also where nothing is built on it. */
  readonly before?: Totals | undefined
  readonly fullReason?: FullReason | undefined
  readonly level?: Level | undefined
}

/**
 * The newest backup, which has to be of the same source, for a full, too.
 *
 * @throws BackupError IBT_NO_BACKUP, IBT_SOURCE_MISMATCH, IBT_BASIS_MISSING, and what reading states throws
 */
export async function findParent(chain: Chain, kind: RunKind, source: Source, options: ParentOptions): Promise<Newest> {
  const { newest, key } = chain
  const { allowSourceMismatch = false, onError } = options
  if (newest === undefined) {
    if (kind !== 'incremental') return { fullReason: 'first', level: kind === 'auto' ? firstLevel(options) : undefined }
    throw new BackupError('IBT_NO_BACKUP', `No backup of ${key} to build on: make a full one first`, { path: key })
  }
  try {
    const { header, closing } = await chain.ends(newest.date)
    if (!allowSourceMismatch) checkSource(header, source)
    const before = closing.totals
    if (kind === 'full') {
      return { before, fullReason: (await lostArtifact(chain, newest.date)) === undefined ? 'asked' : 'parent-damaged' }
    }
    const level = kind === 'auto' ? await chooseLevel(chain, newest.date, options) : undefined
    if (level?.kind === 'full') return { before, level, fullReason: level.fullReason }
    return { before, level, parent: await openParent(chain, newest) }
  } catch (error) {
    // A full is the way out of a damaged chain: only a refusal stops it.
    if (kind !== 'full' || !isBackupError(error) || REFUSALS.has(error.code)) throw error
    onError?.(error)
    const isLocked = error.code === 'IBT_KEY_MISSING' || error.code === 'IBT_KEY_WRONG'
    return { fullReason: isLocked ? 'parent-locked' : 'parent-damaged' }
  }
}

/** What a full is no way out of. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'IBT_MANIFEST_INVALID',
  'IBT_NOT_SIGNED',
  'IBT_ROLLED_BACK',
  'IBT_SOURCE_MISMATCH',
  'IBT_STATE_VERSION'
])
