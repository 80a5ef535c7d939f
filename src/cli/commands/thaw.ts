import { thawBackup } from '../../pipelines/restore/thaw.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { Reporter } from '../reporter.js'

export interface ThawValues extends CommonValues {
  readonly at?: string
  readonly path?: readonly string[]
}

/** `ibt thaw`. */
export async function runThaw(key: string, values: ThawValues, signal: AbortSignal): Promise<number> {
  const reporter = new Reporter(values)
  const { at, path: paths } = values
  const report = await thawBackup(key, { ...toPlaceOptions(values, signal), at, paths })
  const { asked, thawing, date, sizeBytes } = report
  const names = [...asked, ...thawing].map(({ name }) => `  ${name}`)
  const first =
    names.length === 0
      ? `Every archive that a restore of ${key}, ${date}, needs can be read`
      : `Asked for ${formatCount(asked.length, 'archive')}, ${thawing.length} asked for before (${formatBytes(sizeBytes)}): ibt plan restore ${key} says when they can be read`
  return reporter.report(report, [first, ...names], Exit.done)
}
