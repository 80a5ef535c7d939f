import { toStore } from '../../places/places.js'
import { type TriedPromise, validateStore } from '../../stores/index.js'
import { checkText } from '../arguments.js'
import { Exit } from '../exit.js'
import { formatCount, formatSeconds } from '../format.js'
import { toJsonLine } from '../json.js'
import { Output } from '../output.js'
import { Reporter, type ReporterOptions } from '../reporter.js'
import { chooseStore, type StoreValues } from '../store.js'

/** Options of `ibt validate-store`. */
export interface ValidateValues extends ReporterOptions, StoreValues {
  readonly many?: boolean
}

const NAMES_SHOWN = 5

/** `ibt validate-store`. */
export async function runValidateStore(
  named: string | undefined,
  values: ValidateValues,
  signal: AbortSignal
): Promise<number> {
  const { many, json, quiet } = values
  const reporter = new Reporter(values)
  const output = new Output()
  const lines: Promise<void>[] = []
  const onPromise = (promise: TriedPromise) => {
    const isShown = json || !quiet || promise.outcome === 'broken'
    if (isShown) lines.push(output.write(json ? toJsonLine({ event: 'promise', ...promise }) : lineOf(promise)))
    lines.push(output.end())
  }
  const store = toStore(named === undefined ? chooseStore(values) : checkText('the store', named))
  const report = await validateStore(store, { many, onPromise, signal })
  await Promise.all(lines)
  const { isReadOnly, promises, leftNames } = report
  for (const name of leftNames.slice(0, NAMES_SHOWN)) reporter.warn(`Could not be deleted: ${name}`)
  const broken = promises.filter(({ outcome }) => outcome === 'broken').length
  const kept = promises.filter(({ outcome }) => outcome === 'kept').length
  const what = isReadOnly ? ' The store can only be read.' : ''
  const counts = `${formatCount(kept, 'promise')} kept, ${broken} broken, ${formatSeconds(reporter.elapsedMs)}.${what}`
  return reporter.report(report, [counts], broken > 0 || leftNames.length > 0 ? Exit.failed : Exit.done)
}

function lineOf({ title, outcome, reason, elapsedMs }: TriedPromise): string {
  const time = outcome === 'skipped' ? '' : formatSeconds(elapsedMs)
  return `${outcome.padEnd(7)}  ${time.padStart(6)}  ${title}${reason === undefined ? '' : `: ${reason}`}\n`
}
