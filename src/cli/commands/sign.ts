import { type SignOptions, type SignReport, signBackups } from '../../pipelines/upkeep/sign-backups.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit, UsageError } from '../exit.js'
import { formatCount } from '../format.js'
import { toMs } from '../keep.js'
import { Reporter } from '../reporter.js'

export interface SignValues extends CommonValues {
  readonly accept?: boolean
  readonly lockWait?: number
}

/** `ibt sign`. */
export async function runSign(key: string, values: SignValues, signal: AbortSignal): Promise<number> {
  const reporter = new Reporter(values)
  const { signKey, verifyKeys: _, ...places } = toPlaceOptions(values, signal)
  if (signKey === undefined) throw new UsageError('No key: give --sign-key FILE or set IBT_SIGN_KEY')
  const { accept, lockWait } = values
  const options: SignOptions = { ...places, signKey, accept, lockWaitMs: toMs(lockWait), onError: reporter.onError }
  const report = await signBackups(key, options)
  return reporter.report(report, describe(report), Exit.done)
}

function describe({ key, date, states, added, changed }: SignReport): string[] {
  return [
    `Signed ${formatCount(states, 'backup')} of ${key}, ${date}`,
    ...added.map(name => `  new: ${name}`),
    ...changed.map(name => `  not as it was signed before: ${name}`)
  ]
}
