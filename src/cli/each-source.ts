import type { NamedSource } from '../config/config.js'
import type { ConfigValues } from './config.js'
import { describeFailure, Exit, exitCode, failure, UsageError } from './exit.js'
import { formatCount } from './format.js'
import { failedLine, toJsonLine } from './json.js'
import { say } from './output.js'
import type { ReporterOptions } from './reporter.js'

/** How the run of one source ended. */
export interface SourceEnd {
  readonly name: string
  readonly key: string
  readonly exitCode: number
}

/** Who hears how each run of several ends. */
export interface EndValues {
  readonly onEnd?: (end: Pick<SourceEnd, 'key' | 'exitCode'>) => void
}

/** Worse ones first: damage before a failure, a failure before a refusal, a refusal before what is done in part. */
const WORST_FIRST: readonly number[] = [
  ...[Exit.integrity, Exit.failed, Exit.usage, Exit.refused, Exit.partial, Exit.different, Exit.done]
]

/** The exit code of a run of several sources. */
export function worstExit(codes: readonly number[]): number {
  return WORST_FIRST.find(code => codes.includes(code)) ?? codes[0] ?? Exit.done
}

/** Runs a command for a key or, where none is given, for sources of the config, each by itself. @throws UsageError */
export async function forKeys<Values extends ConfigValues & ReporterOptions>(
  key: string | undefined,
  values: Values,
  signal: AbortSignal,
  run: (key: string, values: Values) => Promise<number>,
  isMeant: (source: NamedSource) => boolean = () => true
): Promise<number> {
  if (key !== undefined) return run(key, values)
  const sources = values.loaded?.sources.filter(isMeant) ?? []
  if (sources.length === 0) throw new UsageError(`Give a key: ${whyNone(values)}`)
  const started = Date.now()
  const ends = await eachSource(sources, values, signal, source => run(source.key, { ...values, configured: source }))
  return tellRun(ends, values, { elapsedMs: Date.now() - started })
}

function whyNone({ loaded }: ConfigValues): string {
  return loaded === undefined ? 'there is no config (ibt init writes one)' : `${loaded.file} has no source for this`
}

/** Runs something for each source, in order. An error ends the run of its source alone, but for a cancel. */
export async function eachSource(
  sources: readonly NamedSource[],
  values: ReporterOptions & EndValues,
  signal: AbortSignal,
  run: (source: NamedSource) => Promise<number>
): Promise<readonly SourceEnd[]> {
  const ends: SourceEnd[] = []
  for (const source of sources) {
    const { name, key } = source
    signal.throwIfAborted()
    tellEvent(values, { event: 'source', name, key })
    let code: number
    try {
      code = await run(source)
    } catch (error) {
      if (signal.aborted) throw error
      code = exitCode(error)
      tellFailure(error, code, values, { name, key })
    }
    values.onEnd?.({ key, exitCode: code })
    ends.push({ name, key, exitCode: code })
  }
  return ends
}

interface FailedSource extends Pick<SourceEnd, 'name' | 'key'> {
  readonly hooks?: readonly object[]
}

/** Says that the run of a source has failed. */
export function tellFailure(error: unknown, code: number, values: ReporterOptions, facts: FailedSource) {
  if (values.json) outputOf(values).write(failedLine({ ...failure(error, code), ...facts }, code))
  say(`ibt: ${facts.name}: ${describeFailure(error)}`)
}

/** The last line of a run of sources. Returns its exit code. */
export function tellRun(
  sources: readonly SourceEnd[],
  values: ReporterOptions,
  facts: { readonly elapsedMs: number; readonly exitCode?: number; readonly hooks?: readonly object[] }
): number {
  const { exitCode = worstExit(sources.map(({ exitCode }) => exitCode)), elapsedMs, hooks } = facts
  tellEvent(values, { event: 'run', exitCode, elapsedMs, sources, hooks })
  if (!values.json && !values.quiet && sources.length > 1) outputOf(values).write(`${describeRun(sources)}\n`)
  return exitCode
}

function describeRun(sources: readonly SourceEnd[]): string {
  const wrong = sources.filter(({ exitCode }) => exitCode !== Exit.done)
  const ended = wrong.map(({ name, exitCode }) => `${name} with ${exitCode}`).join(', ')
  return `${formatCount(sources.length, 'source')}: ${ended === '' ? 'all done' : `ended ${ended}`}`
}

function tellEvent(values: ReporterOptions, event: object): void {
  if (values.json) outputOf(values).write(toJsonLine(event))
}

function outputOf({ output = process.stdout }: ReporterOptions): NodeJS.WritableStream {
  return output
}
