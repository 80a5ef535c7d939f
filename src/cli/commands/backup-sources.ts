import { dirname } from 'node:path'
import type { LoadedConfig, NamedSource } from '../../config/config.js'
import type { HookResult } from '../../config/hook.js'
import { nearest } from '../../config/nearest.js'
import type { IncrementalStages } from '../../pipelines/backup-stages.js'
import type { BackupOptions } from '../../pipelines/options.js'
import { type BackupValues, toBackupOptions } from '../backup-options.js'
import { eachSource, type SourceEnd, tellFailure, tellRun, worstExit } from '../each-source.js'
import { Exit, exitCode, failure, UsageError } from '../exit.js'
import { betweenHooks, hookLines, type WorkEnd } from '../hooks.js'
import { failedLine, toJsonLine } from '../json.js'
import { filesOf } from '../names.js'
import { Reporter } from '../reporter.js'
import { backUp, describe, type Level, reportCode, reporterOf } from './backup.js'

/** The sources of the config that are named, or all; undefined if what is named is a path. @throws UsageError */
export function namedSources(names: readonly string[], loaded: LoadedConfig | undefined) {
  if (names.length === 0) {
    if (loaded === undefined) throw new UsageError('Give a source, or a config (ibt init writes one)')
    if (loaded.sources.length === 0) throw new UsageError(`${loaded.file} has no sources`)
    return loaded.sources
  }
  const found = names.map(name => loaded?.sources.find(source => source.name === name))
  const missing = names.find((_, i) => found[i] === undefined)
  if (missing === undefined) return found as NamedSource[]
  if (names.length === 1) return undefined
  if (loaded === undefined) throw new UsageError('Several sources need a config that names them: give one directory')
  const meant = nearest(
    missing,
    loaded.sources.map(({ name }) => name)
  )
  throw new UsageError(`'${missing}' is not a source of ${loaded.file}${meant === undefined ? '' : `: ${meant}?`}`)
}

/** Backs up sources of a config, each between its hooks, all between those of the run. */
export async function backUpSources(
  level: Level,
  sources: readonly NamedSource[],
  typed: BackupValues,
  signal: AbortSignal
): Promise<number> {
  const isStream = typed.out !== undefined || (level === 'send' && typed.toCommand === undefined)
  if (sources.length > 1 && (typed.key !== undefined || typed.filesFrom !== undefined || isStream)) {
    throw new UsageError('--key, --files-from, --out and a connection on stdin need a single source')
  }
  const values = isStream ? { ...typed, output: process.stderr } : typed
  const { loaded } = values
  const started = Date.now()
  const facts = { dryRun: values.dryRun === true, directory: dirname(loaded!.file), signal }
  let ends: readonly SourceEnd[] = []
  let error: unknown
  const { exitCode: code, hooks } = await betweenHooks(loaded!.hooks, facts, async before => {
    try {
      if (before.error !== undefined) throw before.error
      ends = await eachSource(sources, values, signal, source => backUpSource(level, source, values, signal))
      const exitCode = worstExit(ends.map(end => end.exitCode))
      return { exitCode, json: toJsonLine({ event: 'run', exitCode, sources: ends }) }
    } catch (thrown) {
      error = thrown
      const end = failed(thrown, signal)
      // None of them has begun.
      if (before.error !== undefined) for (const { key } of sources) values.onEnd?.({ key, exitCode: end.exitCode })
      return end
    }
  })
  sayHooks(hooks, values)
  signal.throwIfAborted()
  if (error !== undefined) throw error
  return tellRun(ends, values, { exitCode: code, elapsedMs: Date.now() - started, hooks })
}

async function backUpSource(
  level: Level,
  source: NamedSource,
  typed: BackupValues,
  signal: AbortSignal
): Promise<number> {
  const { name, root } = source
  const values: BackupValues = { ...typed, configured: source }
  const options = optionsOf(level, source, values, signal)
  const reporter = reporterOf(level, values)
  const facts = { source: name, key: options.key, path: root, dryRun: values.dryRun === true }
  let tell: (end: { readonly exitCode: number; readonly hooks: readonly HookResult[] }) => number = () => Exit.failed
  const end = await betweenHooks(
    source.hooks,
    { ...facts, directory: dirname(values.loaded!.file), signal },
    async before => {
      try {
        if (before.error !== undefined) throw before.error
        const report = await backUp(level, root, { ...options, readFrom: before.path }, reporter, values)
        const code = reportCode(report)
        tell = ({ exitCode, hooks }) => {
          return reporter.report({ name, ...report, hooks }, describe(report, reporter.elapsedMs, values), exitCode)
        }
        return {
          exitCode: code,
          date: report.date,
          json: toJsonLine({ event: 'report', exitCode: code, name, ...report })
        }
      } catch (error) {
        const end = failed(error, signal)
        tell = ({ hooks }) => {
          tellFailure(error, end.exitCode, values, { name, key: options.key!, hooks })
          return end.exitCode
        }
        return end
      } finally {
        reporter.end()
      }
    }
  )
  const code = tell(end)
  sayHooks(end.hooks, values, name)
  return code
}

function failed(error: unknown, signal: AbortSignal): WorkEnd {
  const code = signal.aborted ? Exit.cancelled : exitCode(error)
  return { exitCode: code, json: failedLine(failure(error, code), code) }
}

function sayHooks(hooks: readonly HookResult[], values: BackupValues, name?: string): void {
  const lines = hookLines(hooks)
  if (lines.length === 0 || values.json) return
  const reporter = new Reporter(values)
  for (const line of lines) reporter.warn(name === undefined ? line : `${name}: ${line}`)
}

/** What the config says of a source, and what was typed over it. */
function optionsOf(
  level: Level,
  source: NamedSource,
  values: BackupValues,
  signal: AbortSignal
): BackupOptions<IncrementalStages> {
  const { rules: typedRules, detection, ...typed } = toBackupOptions(values, signal, { isSent: level === 'send' })
  const { rules, signKey, ...options } = source.options
  const isDetected = values.compare !== undefined || values.checksum !== undefined
  return {
    ...options,
    ...(!values.unsigned && { signKey }),
    ...given(typed),
    key: values.key ?? source.key,
    // The last pattern that matches decides: what is typed is stronger, and need not repeat the config.
    rules: {
      ...rules,
      ...given({ ...typedRules, files: filesOf(values) }),
      exclude: [...(rules?.exclude ?? []), ...(typedRules?.exclude ?? [])]
    },
    detection: isDetected ? detection : options.detection
  }
}

/** The options that have a value. */
function given<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T
}
