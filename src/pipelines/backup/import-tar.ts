import { type FromTarOptions, fromTar } from '../../interop/from-tar.js'
import { pipe } from '../../interop/pipe.js'
import { parseAt } from '../../places/at.js'
import type { Source } from '../../types.js'
import type { IncrementalStages } from '../backup-stages.js'
import type { BackupOptions, BackupReport } from '../options.js'
import { autoBackup } from './backup.js'
import { decompress } from './decompress.js'

/** The source id of backups of tars, where no other is given: a tar has neither a path nor a host. */
export const TAR_SOURCE_ID = 'stdin'

/** Options of `importTar`. */
export interface ImportTarOptions
  extends Omit<BackupOptions<IncrementalStages>, 'stages' | 'date'>,
    Pick<FromTarOptions, 'sort' | 'spoolDirectory' | 'strip'> {
  readonly key: string
  /** Of what time the tar is: a `Date`, ISO, or words such as `3 days ago`. It has to be later than the newest backup. */
  readonly at: Date | string
}

/**
 * Stores a tar from elsewhere as the backup of a date: a series of old archives becomes a chain with their dates, and
 * with deltas between them. A tar that gzip or zstd has compressed is decompressed. `sort: 'spool'` takes a tar of any
 * order. Memory: as `fromTar` and a backup.
 *
 * @throws BackupError IBT_CLOCK if the date is not later than that of the newest backup, or lies in the future; what
 * `fromTar`, `decompress` and `autoBackup` throw. RangeError for a date that is none.
 */
export async function importTar(source: Source<Uint8Array>, options: ImportTarOptions): Promise<BackupReport> {
  const { at, sort, spoolDirectory, strip, ...rest } = options
  const { signal } = options
  const ms = await parseAt(at)
  if (ms === undefined) throw new RangeError(`'${at}' is not the time of a backup`)
  const walk = fromTar(pipe(source, decompress, { signal }), { sort, spoolDirectory, strip, signal })
  return autoBackup('-', { sourceId: TAR_SOURCE_ID, ...rest, date: new Date(ms), stages: { walk } })
}
