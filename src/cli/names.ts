import { readFileSync } from 'node:fs'
import { decodePath, encodePath, printPath } from '../path.js'
import { describeError, UsageError } from './exit.js'

/** What says which names a source is limited to. */
export interface NamesValues {
  readonly filesFrom?: string
  readonly null?: boolean
  readonly allowEmptyFilesFrom?: boolean
}

/** The names of `--files-from`. @throws UsageError */
export function filesOf({ filesFrom, null: isNull = false, allowEmptyFilesFrom }: NamesValues): string[] | undefined {
  if (filesFrom === undefined) return undefined
  const names = readNames(filesFrom, { isNull })
  if (names.length > 0 || allowEmptyFilesFrom) return names
  throw new UsageError(
    `${filesFrom === '-' ? 'stdin' : filesFrom} names no files: --allow-empty-files-from accepts that`
  )
}

/** Names out of a file or, for `-`, stdin: of whatever bytes, each before a line feed or a NUL. @throws UsageError */
export function readNames(file: string, { isNull }: { readonly isNull: boolean }): string[] {
  const bytes = readBytes(file)
  const end = isNull ? 0 : 0x0a
  const names: string[] = []
  for (let start = 0; start < bytes.length; ) {
    const found = bytes.indexOf(end, start)
    const next = found < 0 ? bytes.length : found
    if (next > start) names.push(decodePath(bytes.subarray(start, next)))
    start = next + 1
  }
  return names
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : encodePath(file))
  } catch (error) {
    throw new UsageError(`Cannot read the names in ${printPath(file)}: ${describeError(error)}`)
  }
}
