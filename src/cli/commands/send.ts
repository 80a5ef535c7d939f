import { setJobs } from '../../native.js'
import { sendBackup } from '../../pipelines/send-backup.js'
import { Child } from '../child.js'
import { countBytes } from '../count-ahead.js'
import { Exit, UsageError } from '../exit.js'
import { type BackupValues, limited, toSourceOptions } from '../options.js'
import { Reporter } from '../reporter.js'
import { describe } from './backup.js'

/** Options of `ibt send`. */
export interface SendValues extends BackupValues {
  readonly toCommand?: string
  readonly full?: boolean
}

/** `ibt send`. */
export async function runSend(source: string, values: SendValues, signal: AbortSignal): Promise<number> {
  const { toCommand, full, key, compress, sourceId, maxChain, allowSourceMismatch, allowShrink, skipUnchanged } = values
  if (toCommand === undefined && process.stdin.isTTY) {
    throw new UsageError('stdin is a terminal: give --to-command, or connect stdin and stdout with an ibt receive')
  }
  if (values.jobs !== undefined) setJobs(values.jobs)
  const reporter = new Reporter(toCommand === undefined ? { ...values, output: process.stderr } : values)
  const child = toCommand === undefined ? undefined : new Child(toCommand)
  const { readable, writable } = child?.ends ?? { readable: process.stdin, writable: process.stdout }
  const ends = { readable, writable: limited(writable, values.limitRate) }
  const { rules, detection } = toSourceOptions(values)
  try {
    reporter.countBy(signal => countBytes(source, rules ?? {}, signal))
    const { onProgress, onError } = reporter
    const report = await sendBackup(ends, source, {
      ...{ key, codec: compress, kind: full ? 'full' : 'auto', rules, detection, sourceId, maxChain, signal },
      ...{ allowSourceMismatch, allowShrink, skipUnchanged, onProgress, onError }
    })
    const code = report.skippedEntries + report.suspectFiles > 0 ? Exit.partial : Exit.done
    return reporter.report(report, describe(report, reporter.elapsedMs, values), code)
  } catch (error) {
    throw signal.aborted || child === undefined ? error : await child.explain(error)
  } finally {
    child?.end()
    reporter.end()
  }
}
