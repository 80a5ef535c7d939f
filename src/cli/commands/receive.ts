import { type ReceiveReport, receiveBackup } from '../../pipelines/transfer/receive-backup.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit, UsageError } from '../exit.js'
import { formatBytes, formatSeconds } from '../format.js'
import { keyNotes } from '../keys.js'
import { Reporter } from '../reporter.js'
import { closeStdin } from '../tar-source.js'
import { givenOf, RECEIVE_TREE_OPTIONS } from '../tree-options.js'

/** Options of `ibt receive`. */
export interface ReceiveValues extends CommonValues {
  readonly key?: string
  readonly maxChain?: number
  readonly deleteOldSigvaults?: boolean
  readonly init?: boolean
  readonly lockWait?: number
  readonly into?: string
  readonly overwrite?: string
  readonly delete?: boolean
  readonly exclude?: readonly string[]
  readonly numericOwner?: boolean
  readonly dryRun?: boolean
  readonly maxDelete?: number
  readonly allowShrink?: boolean
}

/** `ibt receive`. */
export async function runReceive(values: ReceiveValues, signal: AbortSignal): Promise<number> {
  const { key, maxChain, deleteOldSigvaults, init, lockWait, into } = values
  if (process.stdin.isTTY || process.stdout.isTTY) {
    throw new UsageError('stdin or stdout is a terminal: an ibt send is expected there')
  }
  if (into !== undefined) {
    const { runReceiveTree } = await import('./receive-tree.js')
    return runReceiveTree(into, values, signal)
  }
  const wrong = givenOf(RECEIVE_TREE_OPTIONS, values)
  if (wrong !== undefined) throw new UsageError(`${wrong} requires --into`)
  // The sender shows how far it is.
  const reporter = new Reporter({ ...values, progress: false, output: process.stderr })
  const places = toPlaceOptions(values, signal)
  try {
    const report = await receiveBackup(
      { readable: process.stdin, writable: process.stdout },
      {
        ...places,
        ...{ key, maxChain, deleteOldSigvaults, init, onProgress: reporter.onProgress, onError: reporter.onError },
        lockWaitMs: lockWait === undefined ? undefined : lockWait * 1000
      }
    )
    if (report.kind === 'full' && report.isStored) for (const note of keyNotes(places)) reporter.warn(note)
    return reporter.report(report, describe(report, reporter.elapsedMs), Exit.done)
  } finally {
    closeStdin()
    reporter.end()
  }
}

function describe({ key, date, kind, parent, storedBytes, isStored }: ReceiveReport, elapsedMs: number): string[] {
  const what = isStored ? `${formatBytes(storedBytes)} stored` : 'Nothing stored: nothing has changed'
  return [
    `Received the ${kind} backup of ${key}, ${date}${parent === undefined ? '' : ` on ${parent}`}`,
    `  ${what}, ${formatSeconds(elapsedMs)}`
  ]
}
