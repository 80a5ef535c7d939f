import { createReadStream } from 'node:fs'
import { encodeArrived } from '../../bundle/arrived.js'
import { encodePath } from '../../path.js'
import { importTar } from '../../pipelines/backup/import-tar.js'
import { discardArrived, listArrived } from '../../pipelines/transfer/arrived.js'
import { type ImportReport, importBackups } from '../../pipelines/transfer/import.js'
import type { Codec } from '../../types.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { Output } from '../output.js'
import { Reporter } from '../reporter.js'
import { describe as describeBackup } from './backup.js'

/** Options of `ibt import`. */
export interface ImportValues extends CommonValues {
  readonly key?: string
  readonly resumeInfo?: boolean
  readonly discard?: boolean
  readonly tar?: boolean
  readonly at?: string
  readonly sorted?: boolean
  readonly stripComponents?: number
  readonly exclude?: readonly string[]
  readonly compress?: Codec
  readonly sourceId?: string
  readonly allowSourceMismatch?: boolean
  readonly allowShrink?: boolean
  readonly init?: boolean
  readonly lockWait?: number
}

/** What only a tar of files has. */
const OF_TARS = {
  at: '--at',
  sorted: '--sorted',
  stripComponents: '--strip-components',
  exclude: '--exclude',
  compress: '--compress',
  sourceId: '--source-id',
  allowSourceMismatch: '--allow-source-mismatch',
  allowShrink: '--allow-shrink'
} as const

/** `ibt import`. */
export async function runImport(file: string | undefined, values: ImportValues, signal: AbortSignal): Promise<number> {
  if (values.resumeInfo) return printArrived(file, values, signal)
  if (values.discard) return discard(file, values, signal)
  const isFile = file !== undefined && file !== '-'
  if (!isFile && process.stdin.isTTY)
    throw new UsageError('A bundle or a tar is expected on stdin, which is a terminal')
  const input = isFile ? createReadStream(encodePath(file)) : process.stdin
  const reporter = new Reporter(values)
  try {
    return values.tar
      ? await takeTar(input, values, reporter, signal)
      : await takeBundle(input, values, reporter, signal)
  } finally {
    // A stdin that stays open would keep the process alive.
    input.destroy()
    reporter.end()
  }
}

async function printArrived(file: string | undefined, values: ImportValues, signal: AbortSignal): Promise<number> {
  const { key } = values
  if (key === undefined || file !== undefined) throw new UsageError('--resume-info takes --key and no file')
  const output = new Output()
  await output.write(`${encodeArrived(await listArrived(key, toPlaceOptions(values, signal)))}\n`)
  await output.end()
  return Exit.done
}

async function discard(file: string | undefined, values: ImportValues, signal: AbortSignal): Promise<number> {
  const { key } = values
  if (key === undefined || file !== undefined) throw new UsageError('--discard takes --key and no file')
  const reporter = new Reporter(values)
  const discarded = await discardArrived(key, {
    ...toPlaceOptions(values, signal),
    lockWaitMs: lockWaitMs(values),
    onError: reporter.onError
  })
  return reporter.report({ key, discarded }, [`Discarded ${formatCount(discarded, 'artifact')}`], Exit.done)
}

type Input = AsyncIterable<Uint8Array>

async function takeBundle(
  input: Input,
  values: ImportValues,
  reporter: Reporter,
  signal: AbortSignal
): Promise<number> {
  const wrong = Object.entries(OF_TARS).find(([name]) => values[name as keyof ImportValues] !== undefined)
  if (wrong !== undefined) throw new UsageError(`${wrong[1]} requires --tar`)
  const { key, init } = values
  const { onProgress, onError } = reporter
  const options = { ...toPlaceOptions(values, signal), key, init, lockWaitMs: lockWaitMs(values), onProgress, onError }
  const report = await importBackups(input, options)
  return reporter.report(report, describe(report, reporter.elapsedMs), Exit.done)
}

function describe(report: ImportReport, elapsedMs: number): string[] {
  const { artifacts, skippedArtifacts, sizeBytes } = report
  const skipped = skippedArtifacts > 0 ? `, ${skippedArtifacts} were there already` : ''
  return [
    describeDates(report),
    `  ${formatCount(artifacts, 'artifact')} stored${skipped}, ${formatBytes(sizeBytes)} received, ${formatSeconds(elapsedMs)}`
  ]
}

function describeDates({ key, dates }: ImportReport): string {
  const [first] = dates
  if (first === undefined) return key === undefined ? 'No new backup' : `No new backup of ${key}`
  return dates.length === 1
    ? `Imported ${key} of ${first}`
    : `Imported ${dates.length} backups of ${key}, ${first} to ${dates.at(-1)}`
}

async function takeTar(input: Input, values: ImportValues, reporter: Reporter, signal: AbortSignal): Promise<number> {
  const { key, at, exclude, sorted, stripComponents, compress, sourceId, allowSourceMismatch, allowShrink, init } =
    values
  if (key === undefined || at === undefined)
    throw new UsageError('A tar has neither a name nor a date: give --key and --at')
  const { onProgress, onError } = reporter
  const report = await importTar(input, {
    ...toPlaceOptions(values, signal),
    ...{ key, at, sort: sorted ? undefined : 'spool', strip: stripComponents, rules: { exclude }, codec: compress },
    ...(sourceId !== undefined && { sourceId }),
    ...{ allowSourceMismatch, allowShrink, init, lockWaitMs: lockWaitMs(values), onProgress, onError }
  })
  const code = report.skippedEntries > 0 ? Exit.partial : Exit.done
  return reporter.report(report, describeBackup(report, reporter.elapsedMs, {}), code)
}

function lockWaitMs({ lockWait }: ImportValues): number | undefined {
  return lockWait === undefined ? undefined : lockWait * 1000
}
