import { listRemoved, undeleteBackup } from '../../pipelines/upkeep/undelete.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { toJsonLine } from '../json.js'
import { toMs } from '../keep.js'
import { Output, say } from '../output.js'
import { Reporter } from '../reporter.js'

export interface UndeleteValues extends CommonValues {
  readonly at?: string
  readonly lockWait?: number
}

/** `ibt undelete`: without a date it lists what can come back. */
export async function runUndelete(key: string, values: UndeleteValues, signal: AbortSignal): Promise<number> {
  const { at, lockWait, json, quiet } = values
  const places = toPlaceOptions(values, signal)
  if (at === undefined) {
    const output = new Output()
    const removed = await listRemoved(key, places)
    for (const { date, removedAtMs } of removed) {
      const when = new Date(removedAtMs).toISOString()
      await output.write(
        json ? toJsonLine({ key, date, removedAtMs }) : `${key.padEnd(16)}  ${date}  removed ${when}\n`
      )
    }
    await output.end()
    if (removed.length === 0 && !quiet) say(`ibt: No removed backup of ${key} can come back\n`)
    return Exit.done
  }
  const reporter = new Reporter(values)
  const report = await undeleteBackup(key, { ...places, at, lockWaitMs: toMs(lockWait), onError: reporter.onError })
  const also = report.also.map(date => `  and that of ${date}, which it cannot be read without`)
  return reporter.report(report, [`The backup of ${key} of ${report.date} is back`, ...also], Exit.done)
}
