import { resolve } from 'node:path'
import { setJobs } from '../../native.js'
import { printPath } from '../../path.js'
import { type ReceiveTreeReport, receiveTree } from '../../pipelines/receive-tree.js'
import { defaultCachePath, toStore } from '../../places/places.js'
import { isStoreUrl } from '../../stores/store-url.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatCount, formatSeconds } from '../format.js'
import { limited } from '../limited-output.js'
import { Reporter } from '../reporter.js'
import { closeStdin } from '../tar-source.js'
import type { ReceiveValues } from './receive.js'
import { isOverwrite, leftOutLines, overLine } from './restore.js'

/** What only a store has. */
const OF_STORES = {
  ...{ store: '--store', key: '--key', maxChain: '--max-chain', deleteOldSigvaults: '--delete-old-sigvaults' },
  ...{ init: '--init', lockWait: '--lock-wait', temporary: '--temporary', encrypt: '--encrypt' }
} as const

/** `ibt receive --into`. */
export async function runReceiveTree(into: string, values: ReceiveValues, signal: AbortSignal): Promise<number> {
  const wrong = Object.entries(OF_STORES).find(([name]) => name in values)
  if (wrong !== undefined) throw new UsageError(`${wrong[1]} is for a store, not for --into`)
  const { overwrite, delete: deletes, exclude, numericOwner, limitRate, jobs } = values
  if (overwrite !== undefined && !isOverwrite(overwrite)) {
    throw new UsageError(`'${overwrite}' is not a value of --overwrite: give always, if-changed or never`)
  }
  if (jobs !== undefined) setJobs(jobs)
  // The sender shows how far it is.
  const reporter = new Reporter({ ...values, progress: false, output: process.stderr })
  const owners = numericOwner && process.geteuid?.() === 0 ? 'number' : undefined
  const { onProgress, onError } = reporter
  try {
    const ends = { readable: process.stdin, writable: limited(process.stdout, limitRate) }
    const report = await receiveTree(ends, into, {
      ...{ overwrite, delete: deletes, exclude, owners, protect: ownPlaces(values), onProgress, onError, signal }
    })
    const isPartial = report.skippedEntries + report.incompleteEntries > 0
    return reporter.report(report, describe(report, reporter.elapsedMs), isPartial ? Exit.partial : Exit.done)
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
