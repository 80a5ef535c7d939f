import { type BackupPlan, planBackup } from '../../pipelines/backup/plan-backup.js'
import { planRestore, type RestorePlan } from '../../plan/plan-restore.js'
import { type BackupValues, toBackupOptions } from '../backup-options.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { toJsonLine } from '../json.js'
import { filesOf } from '../names.js'
import { Output } from '../output.js'
import { describeFullReason } from '../reasons.js'
import { tableLines } from '../table.js'

/** `ibt plan`. */
export async function runPlan(
  key: string,
  source: string | undefined,
  values: BackupValues,
  signal: AbortSignal
): Promise<number> {
  if (values.key !== undefined) throw new UsageError('Give the key as the first argument, not as --key')
  if (source === '-') throw new UsageError('ibt plan compares a directory: a tar on stdin cannot be read twice')
  const options = toBackupOptions(values, signal)
  const plan = await planBackup(key, { ...options, rules: { ...options.rules, files: filesOf(values) }, source })
  return write(plan, describeBackup(plan), values)
}

/** `ibt plan restore`. */
export async function runPlanRestore(
  key: string,
  values: CommonValues & { at?: string; path?: readonly string[] },
  signal: AbortSignal
): Promise<number> {
  const { at, path: paths } = values
  const plan = await planRestore(key, { ...toPlaceOptions(values, signal), at, paths })
  return write(plan, describeRestore(plan), values)
}

async function write(plan: object, lines: readonly string[], { json }: CommonValues): Promise<number> {
  const output = new Output()
  await output.write(json ? toJsonLine(plan) : lines.map(line => `${line}\n`).join(''))
  await output.end()
  return Exit.done
}

function describeBackup(plan: BackupPlan): string[] {
  const { key, kind, fullReason, merge, newest, increments, limits, restore, source } = plan
  const { maxChain, maxRestoreRatio } = limits
  const why = fullReason === undefined ? `on ${newest}` : `because: ${describeFullReason(fullReason)}`
  const lines = [`The next backup of ${key} would be ${kind === 'full' ? 'a full' : 'an incremental'} ${why}`]
  if (merge !== undefined) {
    const what = merge.from === undefined ? `${newest} to a full` : `the incrementals behind ${merge.from} to one`
    lines.push(`  Before, it would merge ${what}, because ${describeFullReason(merge.reason)}`)
  }
  if (newest !== undefined) {
    const limit = maxChain === undefined ? 'no limit, --max-chain sets one' : `limit ${maxChain}`
    lines.push(`  ${formatCount(increments, 'incremental')} on the newest full (${limit})`)
  }
  if (restore !== undefined) {
    const { archives, requests, readBytes, fullBytes, ratio } = restore
    const reads = `${formatBytes(readBytes)} of ${formatCount(archives, 'archive')} with ${formatCount(requests, 'request')}`
    lines.push(`  A restore of the newest backup reads ${reads}`)
    lines.push(
      `  A fresh full would have about ${formatBytes(fullBytes)}: ratio ${ratio.toFixed(2)} (limit ${maxRestoreRatio})`
    )
  }
  if (source !== undefined) {
    const { created, updated, touched, deleted, unchanged } = source.changes
    const counts = `${created} created, ${updated} updated, ${touched} touched, ${deleted} deleted, ${unchanged} unchanged`
    lines.push(
      kind === 'full'
        ? `  The source has ${formatCount(source.entries, 'entry', 'entries')}`
        : `  The source: ${counts}`
    )
    lines.push(`  ${formatCount(source.readFiles, 'file')} would be read, ${formatBytes(source.readBytes)}`)
  }
  return lines
}

/** What has to be done before the restore can begin. */
function thawLines(key: string, archives: RestorePlan['archives']): string[] {
  const cold = archives.filter(({ cold }) => cold !== undefined)
  if (cold.length === 0) return []
  const frozen = cold.filter(({ cold }) => cold === 'frozen').length
  const sizeBytes = cold.reduce((sum, archive) => sum + archive.sizeBytes, 0)
  const what = frozen === 0 ? 'all of them asked for' : `${frozen} not asked for yet: ibt thaw ${key}`
  return [`  ${formatCount(cold.length, 'archive')} (${formatBytes(sizeBytes)}) must be thawed before, ${what}`]
}

function describeRestore(plan: RestorePlan): string[] {
  const { key, date, files, sizeBytes, archives, readBytes, requests, states, stored } = plan
  const frames = archives.reduce((sum, { readFrames }) => sum + readFrames, 0)
  const allFrames = archives.reduce((sum, { frames }) => sum + frames, 0)
  const rows = archives.map(archive => [
    `  ${formatBytes(archive.readBytes)}`,
    formatBytes(archive.sizeBytes),
    `${archive.readFrames} of ${archive.frames}`,
    String(archive.requests),
    `${archive.name}${archive.cold === undefined ? '' : ` (${archive.cold})`}`
  ])
  const stateRows = states.map(({ name, sizeBytes }) => {
    return [`  ${formatBytes(sizeBytes)}`, formatBytes(sizeBytes), '-', '1', name]
  })
  const titles = ['  read', 'of', 'frames', 'requests'].map(title => ({ title }))
  return [
    `A restore of ${key}, ${date}, reads ${formatBytes(readBytes)} with ${formatCount(requests, 'request')}`,
    `  ${archives.length} of ${formatCount(stored.archives, 'archive')} (${formatBytes(stored.sizeBytes)}), ${frames} of their ${formatCount(allFrames, 'frame')}`,
    `  ${formatCount(files, 'file')}, ${formatBytes(sizeBytes)} to write`,
    ...thawLines(key, archives),
    ...tableLines([...titles, { title: 'artifact', isText: true }], [...rows, ...stateRows])
  ]
}
