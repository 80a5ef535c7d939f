import { diskUsage } from '../../catalog/usage.js'
import { printPath } from '../../path.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { formatBytes, formatCount } from '../format.js'
import { toJsonLine } from '../json.js'
import { Output } from '../output.js'

/** `ibt du`. */
export async function runDu(
  key: string,
  path: string | undefined,
  values: CommonValues & { at?: string; depth?: number },
  signal: AbortSignal
): Promise<number> {
  const output = new Output()
  const { at, depth = 1 } = values
  for await (const usage of diskUsage(key, { ...toPlaceOptions(values, signal), at, path, depth })) {
    const { sizeBytes, newBytes, files } = usage
    const columns = [
      formatBytes(sizeBytes).padStart(9),
      `${formatBytes(newBytes).padStart(9)} new`,
      formatCount(files, 'file').padStart(14),
      printPath(usage.path)
    ]
    await output.write(values.json ? toJsonLine(usage) : `${columns.join('  ')}\n`)
  }
  await output.end()
  return Exit.done
}
