import type { BackupValues } from '../backup-options.js'
import { checkSend } from '../sender.js'
import { runBackup } from './backup.js'

/** `ibt send`: of a path, or of sources of the config. */
export async function runSend(sources: readonly string[], values: BackupValues, signal: AbortSignal): Promise<number> {
  checkSend(values, sources)
  if (values.tree) {
    const { runSendTree } = await import('./send-tree.js')
    return runSendTree(sources, values, signal)
  }
  return runBackup('send', sources, values, signal)
}
