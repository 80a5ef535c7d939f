import { verifyBackup } from '../../pipelines/verify.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { type CommonValues, toPlaceOptions } from '../options.js'
import { Reporter } from '../reporter.js'

/** `ibt verify`. */
export async function runVerify(
  key: string,
  values: CommonValues & { at?: string; readData?: boolean },
  signal: AbortSignal
): Promise<number> {
  const reporter = new Reporter(values)
  try {
    const { at, readData } = values
    const { onProgress, onError, onLost } = reporter
    const observers = { onProgress, onError, onLost }
    const report = await verifyBackup(key, { ...toPlaceOptions(values, signal), ...observers, at, readData })
    const { date, artifacts, entries, files, sizeBytes, problems } = report
    const read = readData ? `, ${formatCount(files, 'file')} made and checked, ${formatBytes(sizeBytes)}` : ''
    const verdict = problems.length === 0 ? 'is complete' : `has ${formatCount(problems.length, 'problem')}`
    const lines = [
      `Backup of ${key}, ${date}, ${verdict}`,
      `  ${formatCount(artifacts, 'artifact')}, ${formatCount(entries, 'entry', 'entries')}${read}, ${formatSeconds(reporter.elapsedMs)}`
    ]
    return reporter.report(report, lines, problems.length === 0 ? Exit.done : Exit.integrity)
  } finally {
    reporter.end()
  }
}
