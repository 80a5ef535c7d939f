import { type BackupReason, whyBackup } from '../../plan/why-backup.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { toJsonLine } from '../json.js'
import { Output } from '../output.js'
import { describeFullReason, largestLines } from '../reasons.js'

/** `ibt why`. */
export async function runWhy(
  key: string,
  values: CommonValues & { at?: string },
  signal: AbortSignal
): Promise<number> {
  const reason = await whyBackup(key, { ...toPlaceOptions(values, signal), at: values.at })
  const output = new Output()
  const lines = describe(reason).map(line => `${line}\n`)
  await output.write(values.json ? toJsonLine(reason) : lines.join(''))
  await output.end()
  return Exit.done
}

function describe({ key, date, kind, fullReason, parent, storedBytes, newFiles, newBytes, largest }: BackupReason) {
  const why = fullReason === undefined ? 'its state does not say why it is a full' : describeFullReason(fullReason)
  return [
    kind === 'full'
      ? `The backup of ${key} of ${date} is a full: ${why}`
      : `The backup of ${key} of ${date} is an incremental on ${parent}`,
    `  ${formatBytes(storedBytes)} stored; ${formatBytes(newBytes)} of ${formatCount(newFiles, 'file')} before compression${largest.length > 0 ? ':' : ''}`,
    ...largestLines(largest)
  ]
}
