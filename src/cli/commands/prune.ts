import type { NamedSource } from '../../config/config.js'
import { isBackupError } from '../../errors.js'
import type { PlannedBackup, PruneAction, PrunePlan } from '../../lifecycle/plan.js'
import { type PruneReport, pruneBackups } from '../../pipelines/upkeep/prune.js'
import { hasRules, type KeepOptions, parseRules } from '../../retention/rules.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { type EndValues, forKeys } from '../each-source.js'
import { describeError, Exit, exitCode, UsageError } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { type KeepValues, parseGrace, toKeepOptions, toMs } from '../keep.js'
import { Reporter } from '../reporter.js'
import { keysOf } from '../store.js'
import { sweptLines } from './clean.js'

export interface PruneValues extends CommonValues, KeepValues, EndValues {
  readonly all?: boolean
  readonly dryRun?: boolean
  readonly merge?: boolean
  readonly grace?: string
  readonly keepSigvaults?: boolean
  readonly allowMissing?: boolean
  readonly lockWait?: number
}

/** `ibt prune`. */
export async function runPrune(key: string | undefined, values: PruneValues, signal: AbortSignal): Promise<number> {
  const { all = false } = values
  if (all && key !== undefined) throw new UsageError('Give either a key or --all')
  // What makes no sense is said before anything is removed.
  if (hasRules(toKeepOptions(values))) parseRules(toKeepOptions(values))
  if (all) return pruneAll(values, signal)
  const isMeant = ({ retention }: NamedSource) => retention !== undefined || hasRules(toKeepOptions(values))
  return forKeys(key, values, signal, (one, own) => pruneOne(one, own, signal), isMeant)
}

async function pruneAll(values: PruneValues, signal: AbortSignal): Promise<number> {
  const { loaded } = values
  let code: number = Exit.done
  for (const key of await keysOf(toPlaceOptions(values, signal))) {
    const configured = loaded?.sources.find(source => source.key === key) ?? loaded
    let ended: number = Exit.done
    try {
      ended = await pruneOne(key, { ...values, ...(configured && { configured }) }, signal)
    } catch (error) {
      // The other keys have nothing to do with it.
      if (signal.aborted || !isBackupError(error)) throw error
      new Reporter(values).warn(describeError(error))
      ended = exitCode(error)
      code = Math.max(code, ended)
    }
    values.onEnd?.({ key, exitCode: ended })
  }
  return code
}

async function pruneOne(key: string, values: PruneValues, signal: AbortSignal): Promise<number> {
  const reporter = new Reporter(values)
  const { dryRun, allowMissing, configured } = values
  const { grace, merge, keepSigvaults, ...kept } = configured?.retention ?? {}
  // Rules are taken from one place: two halves would keep what nobody has asked for.
  const keep = hasRules(toKeepOptions(values)) ? toKeepOptions(values) : { ...kept, ...utcOf(values) }
  parseRules(keep)
  const options = {
    ...{ ...toPlaceOptions(values, signal), ...keep, dryRun, allowMissing, merge: values.merge ?? merge },
    ...{ keepSigvaults: values.keepSigvaults ?? keepSigvaults, graceMs: parseGrace(values.grace ?? grace) },
    ...{ lockWaitMs: toMs(values.lockWait), onError: reporter.onError },
    onPlan: (plan: PrunePlan) => reporter.plan(plan, planLines(plan, options.merge))
  }
  return tell(reporter, await pruneBackups(key, options))
}

function utcOf({ utc }: PruneValues): KeepOptions {
  return utc ? { timeZone: 'UTC' } : {}
}

const ACTIONS: Readonly<Record<PruneAction, string>> = { keep: 'keep', remove: 'remove', data: 'stays as data' }

/** The table: what becomes of each backup, and why. */
function planLines(plan: PrunePlan, isMerging = false): string[] {
  const { key, backups, keeps, removes, data, dataBytes, freedBytes, isCostly, merges } = plan
  const lines = [
    `${key}: ${formatCount(backups.length, 'backup')}, ${keeps} kept, ${removes + data} removed`,
    ...backups.map(describe)
  ]
  if (data > 0) {
    lines.push(`${formatBytes(dataBytes)} of ${formatCount(data, 'removed backup')} stay, because kept ones need them`)
  }
  const inMerges = formatCount(merges.length, 'merge')
  if (isMerging && merges.length > 0) lines.push(`First ${inMerges}: then only what the rules keep stays`)
  else if (isCostly) {
    lines.push(`That is much: --merge does ${inMerges} first, and then only what the rules keep stays`)
  }
  if (freedBytes > 0) lines.push(`${formatBytes(freedBytes)} will not be needed any more`)
  return lines
}

function describe({ date, kind, action, reasons, sizeBytes, staysBytes }: PlannedBackup): string {
  const columns = [
    date,
    kind.padEnd(11),
    formatBytes(sizeBytes).padStart(9),
    ACTIONS[action].padEnd(13),
    (action === 'data' ? `${formatBytes(staysBytes)} ` : '') + reasons.join(', ')
  ]
  return `  ${columns.join('  ').trimEnd()}`
}

function tell(reporter: Reporter, { plan, ...report }: PruneReport): number {
  const { key, removed, locked, swept } = report
  if (swept === undefined) return reporter.report(report, [`Dry run: nothing of ${key} was removed`], Exit.done)
  const lines = [
    `Pruned ${key}: ${formatCount(removed.length, 'backup')} removed, ${plan.keeps} kept`,
    ...(locked.length > 0 ? [`  ${locked.length} not removed, because the store has locked them`] : []),
    ...sweptLines(key, swept)
  ]
  return reporter.report(report, lines, Exit.done)
}
