import { SCRIPTS, type Shell } from '../completion/scripts.js'
import { Exit, UsageError } from '../exit.js'

/** `ibt completion`. */
export function printCompletion(shell: string): number {
  if (!Object.hasOwn(SCRIPTS, shell))
    throw new UsageError(`'${shell}' is not a shell: give ${Object.keys(SCRIPTS).join(', ')}`)
  process.stdout.write(`${SCRIPTS[shell as Shell]}\n`)
  return Exit.done
}
