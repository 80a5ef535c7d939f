import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { BackupError } from '../../errors.js'
import { drillBackup } from '../../pipelines/prove/drill.js'
import type { DrillReport } from '../../pipelines/prove/drill-report.js'
import type { SampleSize } from '../../proof/sample.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { drillSummary, drillText } from '../drill-text.js'
import { problemsExit, UsageError } from '../exit.js'
import { plain } from '../json.js'
import { Reporter } from '../reporter.js'

interface DrillValues extends CommonValues {
  readonly at?: string
  readonly sample?: SampleSize
  readonly seed?: string
  readonly into?: string
  readonly report?: string
}

/** `ibt drill`. */
export async function runDrill(key: string, values: DrillValues, signal: AbortSignal): Promise<number> {
  const reporter = new Reporter(values)
  const files = values.report === undefined ? undefined : reportFiles(values.report)
  const problems: BackupError[] = []
  const onError = (error: BackupError) => {
    problems.push(error)
    reporter.onError(error)
  }
  try {
    const { at, sample, seed, into } = values
    const { onProgress, onLost } = reporter
    const options = { ...toPlaceOptions(values, signal), onProgress, onLost, onError, at, sample, seed, into }
    const report = await drillBackup(key, options)
    if (files !== undefined) await writeReport(files, report)
    const where = files === undefined ? [] : [`  Report: ${files.json}, ${files.text}`]
    return reporter.report(report, [...drillSummary(report), ...where], problemsExit(problems))
  } finally {
    reporter.end()
  }
}

interface ReportFiles {
  readonly json: string
  readonly text: string
}

/** A report that is kept is never overwritten. @throws UsageError */
function reportFiles(json: string): ReportFiles {
  if (!existsSync(dirname(resolve(json)))) throw new UsageError(`--report: '${dirname(json)}' does not exist`)
  const files = { json, text: `${json.replace(/\.json$/, '')}.txt` }
  for (const path of [files.json, files.text]) {
    if (path === '' || existsSync(path)) throw new UsageError(`--report: '${path}' exists already`)
  }
  return files
}

/** The JSON comes last: it is the one to be signed. @throws BackupError IBT_WRITE_FAILED */
async function writeReport({ json, text }: ReportFiles, report: DrillReport): Promise<void> {
  const document = `${JSON.stringify(plain(report), null, 2)}\n`
  const lines = drillText(report).map(line => `${line}\n`)
  for (const [path, content] of [[text, lines.join('')] as const, [json, document] as const]) {
    await writeFile(path, content, { flag: 'wx' }).catch(cause => {
      throw new BackupError('IBT_WRITE_FAILED', `Cannot write the report ${path}`, { path, cause })
    })
  }
}
