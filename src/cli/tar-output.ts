import { fstatSync } from 'node:fs'
import { BackupError } from '../errors.js'
import { UsageError } from './exit.js'
import { Reporter, type ReporterOptions } from './reporter.js'

/** A reporter for a command whose stdout is a tar: everything else goes to stderr. @throws UsageError for a terminal */
export function tarReporter(values: ReporterOptions): Reporter {
  if (process.stdout.isTTY) throw new UsageError('stdout is a terminal: send the tar into a file or a pipe')
  // Whoever reads the tar may write to the same terminal: `ibt restore KEY - | tar -tv`.
  const mayShareTerminal = !fstatSync(process.stdout.fd).isFile()
  const progress = values.progress !== false && !mayShareTerminal
  return new Reporter({ ...values, progress, output: process.stderr })
}

/** Elsewhere a reader that has seen enough is not a failure; a tar that is cut off is one. */
export function tarFailed(cause: NodeJS.ErrnoException): never {
  if (cause.syscall !== 'write') throw cause
  throw new BackupError('IBT_WRITE_FAILED', 'Cannot write the tar to stdout', { cause })
}
