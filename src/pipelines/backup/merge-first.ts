import { withCodec } from '../../codec/index.js'
import { isBackupError } from '../../errors.js'
import { openPlaces, placesOf } from '../../places/places.js'
import { chooseLevel } from '../../plan/level.js'
import { Chain } from '../../stores/chain.js'
import { checkSource, nameSource } from '../backup-run.js'
import type { RunOptions } from '../options.js'
import type { MergeReport } from '../upkeep/merge.js'

/**
 * Merges the newest backup of a source where a limit of the options is reached, so that an incremental can follow.
 * A merge that fails is reported to `onError`, and then a full of the source follows: that is the way out of a damaged
 * chain.
 *
 * @throws BackupError IBT_LOCKED, IBT_SOURCE_MISMATCH, and what finding out takes.
 */
export async function mergeFirst(source: string | Uint8Array, options: RunOptions): Promise<MergeReport | undefined> {
  const { codec, encrypt, sourceId, allowSourceMismatch, lockWaitMs, onError, signal } = options
  const codecs = withCodec(options.codecs ?? [], encrypt)
  const { root, key } = nameSource(source, options)
  const chain = await Chain.open(openPlaces(options).cached, key, { codecs, signal })
  const newest = chain.newest?.date
  if (newest === undefined) return undefined
  if (!allowSourceMismatch) checkSource((await chain.ends(newest)).header, { root, sourceId })
  const { merge } = await chooseLevel(chain, newest, options)
  if (merge === undefined) return undefined
  const { mergeBackups } = await import('../upkeep/merge.js')
  const which = merge.from === undefined ? { at: newest } : { from: merge.from, to: newest }
  try {
    return await mergeBackups(key, { ...placesOf(options), codec, codecs, encrypt, lockWaitMs, onError, ...which })
  } catch (error) {
    if (signal?.aborted || !isBackupError(error) || error.code === 'IBT_LOCKED') throw error
    onError?.(error)
    return undefined
  }
}
