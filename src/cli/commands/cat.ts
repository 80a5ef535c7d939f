import { BackupError } from '../../errors.js'
import { pipe } from '../../interop/pipe.js'
import { type CatReport, catEntry } from '../../pipelines/restore/cat.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { Exit } from '../exit.js'
import { Reporter } from '../reporter.js'

/** `ibt cat`: the bytes of a file and nothing else go to stdout. */
export async function runCat(
  key: string,
  path: string,
  values: CommonValues & { at?: string },
  signal: AbortSignal
): Promise<number> {
  const reporter = new Reporter({ ...values, progress: false, output: process.stderr })
  let report: CatReport | undefined
  const content = async function* () {
    report = yield* catEntry(key, path, { ...toPlaceOptions(values, signal), at: values.at })
  }
  await pipe(content(), process.stdout, { signal }).catch(failed)
  return values.json ? reporter.report(report!, [], Exit.done) : Exit.done
}

/** Whoever has closed the pipe has not got all of the file. */
function failed(cause: NodeJS.ErrnoException): never {
  if (cause.syscall !== 'write') throw cause
  throw new BackupError('IBT_WRITE_FAILED', 'Cannot write to stdout', { cause })
}
