import { fromTar, type TarEntry } from '../interop/from-tar.js'
import type { BackupValues } from './backup-options.js'
import { UsageError } from './exit.js'

/** What only a directory can answer. */
const OF_DIRECTORIES = {
  ignoreFile: '--ignore-file',
  excludeIfPresent: '--exclude-if-present',
  excludeCaches: '--exclude-caches',
  oneFileSystem: '--one-file-system',
  filesFrom: '--files-from'
} as const

/** Whether the source is a tar, and whether the options fit it. @throws UsageError */
export function isTarSource(source: string, values: BackupValues): boolean {
  if (source !== '-') {
    if (values.sort !== undefined || values.stripComponents !== undefined) {
      throw new UsageError('--sort and --strip-components apply to a tar on stdin: give - as the source')
    }
    return false
  }
  const wrong = Object.entries(OF_DIRECTORIES).find(([name]) => values[name as keyof BackupValues] !== undefined)
  if (wrong !== undefined) throw new UsageError(`${wrong[1]} needs a directory as the source, not a tar`)
  if (values.key === undefined) throw new UsageError('A tar on stdin has no name: give --key')
  if (process.stdin.isTTY) throw new UsageError('A tar is expected on stdin, which is a terminal')
  return true
}

/** The entries of the tar on stdin. */
export function tarOnStdin({ sort, stripComponents }: BackupValues): AsyncGenerator<TarEntry, void, undefined> {
  return fromTar(process.stdin, { sort, strip: stripComponents })
}

/** For the end of a run, however it ends: a stdin that stays open would keep the process alive. */
export function closeStdin(): void {
  process.stdin.destroy()
}
