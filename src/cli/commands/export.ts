import { readFileSync } from 'node:fs'
import { type Arrived, decodeArrived } from '../../bundle/arrived.js'
import { exportBackups } from '../../pipelines/transfer/export.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { tarFailed, tarReporter } from '../tar-output.js'

/** Options of `ibt export`. */
export interface ExportValues extends CommonValues {
  readonly at?: string
  readonly all?: boolean
  readonly resume?: string
  readonly volumeSize?: number
}

/** `ibt export`. */
export async function runExport(key: string, values: ExportValues, signal: AbortSignal): Promise<number> {
  const { at, all, resume, volumeSize } = values
  if (all && at !== undefined) throw new UsageError('Give either --all or --at')
  const reporter = tarReporter(values)
  try {
    const arrived = resume === undefined ? undefined : readArrived(resume)
    const { onProgress } = reporter
    const options = { ...toPlaceOptions(values, signal), at, all, arrived, volumeBytes: volumeSize, onProgress }
    const report = await exportBackups(key, process.stdout, options).catch(tarFailed)
    const { dates, artifacts, skippedArtifacts, sizeBytes } = report
    const skipped = skippedArtifacts > 0 ? `, ${skippedArtifacts} are there already` : ''
    const lines = [
      `Exported ${dates.length === 1 ? `${key} of ${dates[0]}` : formatCount(dates.length, `backup of ${key}`, `backups of ${key}`)}`,
      `  ${formatCount(artifacts, 'artifact')}, ${formatBytes(sizeBytes)}${skipped}, ${formatSeconds(reporter.elapsedMs)}`
    ]
    return reporter.report(report, lines, Exit.done)
  } finally {
    reporter.end()
  }
}

function readArrived(file: string): Arrived {
  let text: string
  try {
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    throw new UsageError(`Cannot read what has arrived in ${file}: ${(error as Error).message}`)
  }
  return decodeArrived(text)
}
