import { type BigIntStats, lstat } from 'node:fs'
import { promisify } from 'node:util'
import { IGNORE_FILE } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { encodePath, isBelow, ROOT_PATH } from '../../path.js'
import type { RulesOptions } from '../../rules.js'
import { type Entry, isEntry, type Stage, type StateEntry } from '../../types.js'

const statPath: (path: Buffer, options: { bigint: true }) => Promise<BigIntStats> = promisify(lstat)
const CACHE_TAG = 'CACHEDIR.TAG'

/**
 * Flags directories of which the source may have more than is listed, as `carried`: no receiver deletes anything in them. A
 * directory with an ignore file, or below one, is such a directory; patterns of the run itself are told to the receiver.
 *
 * Consumes and yields `Entry`; other items pass on. Path order. Looks for a few names in each directory.
 *
 * @throws BackupError IBT_NOT_ALLOWED at the call for rules that leave out more than a receiver can know.
 */
export function markPartial(root: string, rules: RulesOptions = {}): Stage<Entry> {
  const { ignoreFiles = [IGNORE_FILE], excludeIfPresent = [], excludeCaches = false, oneFileSystem = false } = rules
  const { files, excludeLargerThanBytes, excludePaths = [] } = rules
  if (files !== undefined || excludeLargerThanBytes !== undefined || excludePaths.length > 0) {
    const message = `The receiver deletes what the source does not have, and cannot know what is left out by name or size: leave out --delete there, or those options here`
    throw new BackupError('IBT_NOT_ALLOWED', message, { path: root })
  }
  const names = [...ignoreFiles, ...excludeIfPresent, ...(excludeCaches ? [CACHE_TAG] : [])]
  const look = (...parts: string[]) =>
    statPath(encodePath([root, ...parts].join('/')), { bigint: true }).catch(() => undefined)
  return async function* markPartialStage(source) {
    const device = oneFileSystem ? (await look())?.dev : undefined
    const isPartial = async (path: string) => {
      const parts = path === ROOT_PATH ? [] : [path]
      for (const name of names) if ((await look(...parts, name)) !== undefined) return true
      return device !== undefined && (await look(...parts))?.dev !== device
    }
    let partial: string | undefined
    for await (const item of source) {
      if (!isEntry(item) || item.type !== 'directory') {
        yield item
        continue
      }
      if (partial !== undefined && !isBelow(item.path, partial)) partial = undefined
      if (partial === undefined && (await isPartial(item.path))) partial = item.path
      yield partial === undefined ? item : ({ ...item, carried: true } as Entry & Pick<StateEntry, 'carried'>)
    }
  }
}
