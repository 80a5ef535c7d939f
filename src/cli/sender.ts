import type { IncrementalStages } from '../pipelines/backup-stages.js'
import type { BackupOptions } from '../pipelines/options.js'
import { type SendOptions, type SendReport, sendBackup } from '../pipelines/transfer/send-backup.js'
import type { BackupValues } from './backup-options.js'
import { Child } from './child.js'
import { UsageError } from './exit.js'
import { formatCount } from './format.js'
import { limited } from './limited-output.js'
import type { Reporter } from './reporter.js'

/** @throws UsageError for options that do not fit each other, or a terminal as the connection */
export function checkSend({ toCommand, checkpoint, filesFrom }: BackupValues, sources: readonly string[]): void {
  if (toCommand !== undefined) {
    if (checkpoint !== undefined && sources[0] === '-')
      throw new UsageError('--checkpoint reads the source again: a tar cannot be')
    return
  }
  if (process.stdin.isTTY) {
    throw new UsageError('stdin is a terminal: give --to-command, or connect stdin and stdout with an ibt receive')
  }
  if (checkpoint !== undefined) throw new UsageError('--checkpoint makes several connections: give --to-command')
  if (sources[0] === '-' || filesFrom === '-') throw new UsageError('stdin is the connection: give --to-command')
}

/** Backs up into the store of a receiver. */
export function senderOf(values: BackupValues, reporter: Reporter) {
  return async (source: string, options: BackupOptions<IncrementalStages>): Promise<SendReport> => {
    if (options.encrypt !== undefined || options.signKey !== undefined || options.localState !== undefined) {
      throw new UsageError('The receiver stores: encrypt, signKey and localState of the config belong to ibt receive')
    }
    let checkpointBytes = values.checkpoint
    let report = await send(source, { ...options, kind: values.full ? 'full' : 'auto', checkpointBytes }, values)
    while (report.postponedFiles > 0) {
      const files = formatCount(report.postponedFiles, 'file')
      reporter.warn(`Checkpoint ${report.date} is stored: ${files} to come`)
      report = await send(source, { ...options, kind: 'auto', checkpointBytes }, values)
      // A receiver that cannot read what it has stored makes a full each time.
      if (report.kind === 'full') checkpointBytes = undefined
    }
    return report
  }
}

/** One backup over one connection. */
async function send(source: string, options: SendOptions, { toCommand, limitRate }: BackupValues): Promise<SendReport> {
  const child = toCommand === undefined ? undefined : new Child(toCommand)
  const { readable, writable } = child?.ends ?? { readable: process.stdin, writable: process.stdout }
  try {
    return await sendBackup({ readable, writable: limited(writable, limitRate) }, source, options)
  } catch (error) {
    throw options.signal?.aborted || child === undefined ? error : await child.explain(error)
  } finally {
    child?.end()
  }
}
