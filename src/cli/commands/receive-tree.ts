import { resolve } from 'node:path'
import { setJobs } from '../../native.js'
import { printPath } from '../../path.js'
import { type ReceiveTreeReport, receiveTree } from '../../pipelines/transfer/receive-tree.js'
import { defaultCachePath, toStore } from '../../places/places.js'
import { isStoreUrl } from '../../stores/store-url.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { limited } from '../limited-output.js'
import { PlannedChanges } from '../planned-changes.js'
import { Reporter } from '../reporter.js'
import { closeStdin } from '../tar-source.js'
import { givenOf, RECEIVE_STORE_OPTIONS } from '../tree-options.js'
import type { ReceiveValues } from './receive.js'
import { isOverwrite, leftOutLines, overLine } from './restore.js'

/** `ibt receive --into`. */
export async function runReceiveTree(into: string, values: ReceiveValues, signal: AbortSignal): Promise<number> {
  const wrong = givenOf(RECEIVE_STORE_OPTIONS, values)
  if (wrong !== undefined) throw new UsageError(`${wrong} is for a store, not for --into`)
  const { overwrite, delete: deletes, exclude, numericOwner, limitRate, jobs, dryRun, maxDelete, allowShrink } = values
  if (maxDelete !== undefined && !deletes) throw new UsageError('--max-delete requires --delete')
  if (overwrite !== undefined && !isOverwrite(overwrite)) {
    throw new UsageError(`'${overwrite}' is not a value of --overwrite: give always, if-changed or never`)
  }
  if (jobs !== undefined) setJobs(jobs)
  // The sender shows how far it is.
  const reporter = new Reporter({ ...values, progress: false, output: process.stderr })
  const owners = numericOwner && process.geteuid?.() === 0 ? 'number' : undefined
  const { onProgress, onError } = reporter
  const changes = new PlannedChanges(process.stderr, values)
  try {
    const ends = { readable: process.stdin, writable: limited(process.stdout, limitRate) }
    const report = await receiveTree(ends, into, {
      ...{ overwrite, delete: deletes, maxDelete, allowShrink, exclude, owners, protect: ownPlaces(values) },
      ...{ dryRun, onChange: changes.onChange, onProgress, onError, signal }
    })
    const isPartial = report.skippedEntries + report.incompleteEntries > 0
    const lines = report.dryRun ? describePlan(report, changes) : describe(report, reporter.elapsedMs)
    return reporter.report(report, lines, isPartial ? Exit.partial : Exit.done)
  } finally {
    closeStdin()
    reporter.end()
  }
}

/** Where this machine's own backups are, as far as its environment and config say: they stay, also with --delete. */
function ownPlaces({ cache, configured }: ReceiveValues): string[] {
  const stores = [process.env.IBT_STORE || undefined, configured?.store].flatMap(named =>
    named === undefined || (typeof named === 'string' && isStoreUrl(named)) ? [] : (toStore(named).places ?? [])
  )
  const others = [cache, process.env.IBT_CACHE, configured?.cache, defaultCachePath(), configured?.localState]
  return [
    ...stores,
    ...others.filter(path => typeof path === 'string' && path !== '').map(path => resolve(path as string))
  ]
}

function describePlan(report: ReceiveTreeReport, changes: PlannedChanges): string[] {
  const { destination, source, host, skippedEntries } = report
  return [
    `Dry run: nothing was written into ${printPath(destination)}, from the tree of ${printPath(source)} of ${printPath(host)}`,
    changes.line(report),
    ...leftOutLines(report),
    ...(skippedEntries > 0 ? [`  ${skippedEntries} could not be written`] : [])
  ]
}

function describe(report: ReceiveTreeReport, elapsedMs: number): string[] {
  const { destination, source, host, entries, files, sizeBytes, skippedEntries } = report
  return [
    `Received the tree of ${printPath(source)} of ${printPath(host)} into ${printPath(destination)}`,
    `  ${formatCount(entries, 'entry', 'entries')}: ${formatCount(files, 'file')}, ${formatBytes(sizeBytes)} written, ${formatSeconds(elapsedMs)}`,
    overLine(report),
    ...leftOutLines(report),
    ...(skippedEntries > 0 ? [`  ${skippedEntries} could not be written`] : [])
  ]
}
