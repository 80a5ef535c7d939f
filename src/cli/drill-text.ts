import { printPath, printText } from '../path.js'
import type { DrillReport } from '../pipelines/prove/drill-report.js'
import { formatBytes, formatCount, formatSeconds } from './format.js'

/** What a drill has found, in a few lines. */
export function drillSummary({ result, tested, counts, problems, notes, measured, estimate }: DrillReport): string[] {
  const { key, date, sample } = tested
  const { files, allFiles, sizeBytes, archives, allArchives } = counts
  const made =
    sample === null ? formatCount(files, 'file') : `${files.toLocaleString('en')} of ${formatCount(allFiles, 'file')}`
  const lines = [
    `Drill of ${key}, ${date}: ${result}${problems.length === 0 ? '' : `, ${formatCount(problems.length, 'problem')}`}`,
    `  ${made} made and checked, ${formatBytes(sizeBytes)} in ${formatSeconds(measured.restoreMs)}, ${formatBytes(measured.bytesPerSecond)}/s`,
    `  read ${formatBytes(measured.readBytes)} in ${formatCount(measured.requests, 'request')}, ${archives} of ${formatCount(allArchives, 'archive')}`
  ]
  if (sample !== null) lines.push(`  seed ${sample.seed}`)
  if (estimate !== null)
    lines.push(`  a restore of everything takes about ${formatSeconds(estimate.everythingMs)} (estimated)`)
  if (counts.suspectFiles > 0)
    lines.push(`  ${formatCount(counts.suspectFiles, 'file')} suspected of bit rot in the source`)
  return [...lines, ...notes.map(note => `  Note: ${note}`)]
}

/** The whole report for people; every fact is in the JSON, too. */
export function drillText(report: DrillReport): string[] {
  const { result, tested, counts, problems, notes, measured, estimate, tool, machine } = report
  const { sample, destination, store } = tested
  return [
    `Restore drill of ${tested.key}: ${result.toUpperCase()}`,
    '',
    ...rows({
      Backup: `${tested.date} (${tested.kind})`,
      'SHA-256 of its state': tested.stateSha256 ?? 'could not be read',
      Source: tested.root === null ? '?' : `${printPath(tested.root)} of ${printText(tested.sourceHost ?? '?')}`,
      Store: store.places.length > 0 ? store.places.map(printPath).join(', ') : store.id,
      'Restored into':
        destination === null ? 'nothing: every byte was made, proven and thrown away' : printPath(destination),
      Scope: sample === null ? 'everything' : `a sample: ${describeSample(sample)}, seed ${sample.seed}`,
      Began: report.startedAt,
      Ended: report.finishedAt,
      Machine: `${machine.host}, ${machine.platform}, ${formatCount(machine.processors, 'processor')}`,
      Tool: `${tool.name} ${tool.version}, Node ${tool.node}`
    }),
    '',
    ...rows({
      'Files proven': `${counts.files.toLocaleString('en')} of ${counts.allFiles.toLocaleString('en')}`,
      'Bytes made': `${counts.sizeBytes.toLocaleString('en')} of ${counts.allSizeBytes.toLocaleString('en')}`,
      Entries: counts.entries.toLocaleString('en'),
      'Archives opened': `${counts.archives} of ${counts.allArchives}`,
      'Bytes read': `${measured.readBytes.toLocaleString('en')} in ${formatCount(measured.requests, 'request')}`,
      Time: `${formatSeconds(measured.totalMs)}, of it ${formatSeconds(measured.openMs)} to begin`,
      'Processor time': formatSeconds(measured.processorMs),
      Throughput: `${formatBytes(measured.bytesPerSecond)}/s`,
      'A restore of everything':
        estimate === null ? 'cannot be estimated' : `about ${formatSeconds(estimate.everythingMs)} (an estimate)`,
      'Suspected of bit rot': counts.suspectFiles.toLocaleString('en')
    }),
    '',
    `Problems: ${problems.length === 0 ? 'none' : problems.length}`,
    ...problems.map(({ code, message }) => `  ${code}: ${printText(message)}`),
    ...(notes.length === 0 ? [] : ['Notes:', ...notes.map(note => `  ${printText(note)}`)])
  ]
}

function describeSample(sample: NonNullable<DrillReport['tested']['sample']>): string {
  if ('percent' in sample) return `${sample.percent}% of the bytes`
  return 'files' in sample ? formatCount(sample.files, 'file') : formatBytes(sample.sizeBytes)
}

function rows(values: Readonly<Record<string, string>>): string[] {
  return Object.entries(values).map(([name, value]) => `${`${name}:`.padEnd(25)} ${value}`)
}
