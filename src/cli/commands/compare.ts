import { type CompareReport, compareToSource } from '../../pipelines/restore/compare.js'
import { toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { Output } from '../output.js'
import { Reporter } from '../reporter.js'
import { type SourceValues, toSourceOptions } from '../source-options.js'
import { changeLine } from './diff.js'

/** `ibt compare`. */
export async function runCompare(
  key: string,
  source: string,
  values: SourceValues & { at?: string; long?: boolean },
  signal: AbortSignal
): Promise<number> {
  const output = new Output()
  const reporter = new Reporter(values)
  try {
    const { onError } = reporter
    const options = { ...toPlaceOptions(values, signal), ...toSourceOptions(values), at: values.at, onError }
    const changes = compareToSource(key, source, options)
    let next = await changes.next()
    for (; !next.done; next = await changes.next()) await output.write(changeLine(next.value, values))
    await output.end()
    const { differences, skippedEntries } = next.value
    const code = differences > 0 ? Exit.different : skippedEntries > 0 ? Exit.partial : Exit.done
    return reporter.report(next.value, describe(next.value, reporter.elapsedMs), code)
  } finally {
    reporter.end()
  }
}

function describe(report: CompareReport, elapsedMs: number): string[] {
  const { key, date, source, entries, differences, readBytes, skippedEntries } = report
  const verdict = differences === 0 ? 'is as' : `has ${formatCount(differences, 'difference')} to`
  return [
    `${source} ${verdict} the backup of ${key} of ${date}`,
    `  ${formatCount(entries, 'entry', 'entries')} compared, ${formatBytes(readBytes)} read, ${formatSeconds(elapsedMs)}`,
    ...(skippedEntries > 0 ? [`  ${skippedEntries} could not be read, and so not be compared`] : [])
  ]
}
