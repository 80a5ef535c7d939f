import { type VerifyReport, verifyBackup } from '../../pipelines/prove/verify.js'
import type { ProvenSample } from '../../pipelines/prove/verify-sample.js'
import type { SampleSize } from '../../proof/sample.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { forKeys } from '../each-source.js'
import { problemsExit } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { Reporter } from '../reporter.js'

interface VerifyValues extends CommonValues {
  readonly at?: string
  readonly readData?: boolean
  readonly digests?: boolean
  readonly sample?: SampleSize
  readonly seed?: string
  readonly maxAge?: number
}

/** `ibt verify`. */
export function runVerify(key: string | undefined, values: VerifyValues, signal: AbortSignal): Promise<number> {
  return forKeys(key, values, signal, (one, own) => verifyOne(one, own, signal))
}

async function verifyOne(key: string, values: VerifyValues, signal: AbortSignal): Promise<number> {
  const reporter = new Reporter(values)
  try {
    const { at, readData, digests, sample, seed, maxAge: maxAgeMs } = values
    const { onProgress, onError, onLost } = reporter
    const observers = { onProgress, onError, onLost }
    const options = { ...toPlaceOptions(values, signal), ...observers, at, readData, digests, sample, seed, maxAgeMs }
    const report = await verifyBackup(key, options)
    const isMade = readData === true || report.sample !== undefined
    const lines = describe(report, { isMade, elapsedMs: reporter.elapsedMs })
    return reporter.report(report, lines, problemsExit(report.problems))
  } finally {
    reporter.end()
  }
}

function describe(
  { key, date, artifacts, entries, files, sizeBytes, suspectFiles, sample, problems, notes }: VerifyReport,
  { isMade, elapsedMs }: { readonly isMade: boolean; readonly elapsedMs: number }
): string[] {
  const read = isMade ? `, ${formatCount(files, 'file')} made and checked, ${formatBytes(sizeBytes)}` : ''
  const isWell = sample === undefined ? 'is complete' : 'has no problem in what was read'
  const verdict = problems.length === 0 ? isWell : `has ${formatCount(problems.length, 'problem')}`
  const lines = [
    `Backup of ${key}, ${date}, ${verdict}`,
    `  ${formatCount(artifacts, 'artifact')}, ${formatCount(entries, 'entry', 'entries')}${read}, ${formatSeconds(elapsedMs)}`
  ]
  if (sample !== undefined) lines.push(...describeSample(sample))
  if (suspectFiles > 0) lines.push(`  ${formatCount(suspectFiles, 'file')} suspected of bit rot in the source`)
  lines.push(...notes.map(note => `  Note: ${note}`))
  return lines
}

function describeSample({ files, allFiles, seed, recentFiles, unprovenFiles }: ProvenSample): string[] {
  const lines = [`  Chosen: ${files.toLocaleString('en')} of ${formatCount(allFiles, 'file')}, seed ${seed}`]
  if (recentFiles > 0) lines.push(`  ${formatCount(recentFiles, 'file')} not chosen: proven lately`)
  lines.push(
    unprovenFiles === 0
      ? '  Every file has been proven at least once'
      : `  ${formatCount(unprovenFiles, 'file')} never proven yet`
  )
  return lines
}
