import type { BackupValues } from '../backup-options.js'
import { UsageError } from '../exit.js'
import { checkSend } from '../sender.js'
import { givenOf, SEND_TREE_OPTIONS } from '../tree-options.js'
import { runBackup } from './backup.js'

/** `ibt send`: of a path, or of sources of the config. */
export async function runSend(sources: readonly string[], values: BackupValues, signal: AbortSignal): Promise<number> {
  checkSend(values, sources)
  if (values.tree) {
    const { runSendTree } = await import('./send-tree.js')
    return runSendTree(sources, values, signal)
  }
  const wrong = givenOf(SEND_TREE_OPTIONS, values)
  if (wrong !== undefined) throw new UsageError(`${wrong} requires --tree`)
  return runBackup('send', sources, values, signal)
}
