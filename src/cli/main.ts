import { writeSync } from 'node:fs'
import { isBackupError } from '../errors.js'
import { describeError, Exit, exitCode } from './exit.js'

/** What every command gets. Its answer is the exit code. */
export type Command = (args: readonly string[], signal: AbortSignal) => Promise<number>

const RDIFF_COMMANDS = new Set(['signature', 'delta', 'patch', 'compose'])

/** Runs the command line. Those of rdiff load nothing but the addon. */
export async function main(args: readonly string[]): Promise<void> {
  const cancelled = cancelOnSignal()
  process.exitCode = Exit.failed
  // A promise that never settles drains the loop: without this, Node would exit with 0 and say nothing.
  const onExit = () => writeSync(2, 'ibt: ended before it was done\n')
  process.on('beforeExit', onExit)
  ignoreClosedPipe()
  try {
    const run: Command = RDIFF_COMMANDS.has(args[0] ?? '')
      ? (await import('./rdiff.js')).runRdiff
      : (await import('./program.js')).runProgram
    process.exitCode = await run(args, cancelled.signal)
  } catch (error) {
    if (!cancelled.signal.aborted) writeSync(2, `ibt: ${describeError(error)}\n${hint(error)}`)
    process.exitCode = exitCode(error)
  }
  if (cancelled.signal.aborted) process.exitCode = cancelled.code
  process.off('beforeExit', onExit)
}

function hint(error: unknown): string {
  return isBackupError(error) ? `(ibt help ${error.code} says what to do)\n` : ''
}

/** The first signal aborts and lets everything clean up; the second ends the process. */
function cancelOnSignal(): { readonly signal: AbortSignal; code: number } {
  const controller = new AbortController()
  const cancelled: { signal: AbortSignal; code: number } = { signal: controller.signal, code: Exit.cancelled }
  const onSignal = (name: NodeJS.Signals) => {
    cancelled.code = name === 'SIGINT' ? Exit.cancelled : Exit.terminated
    if (controller.signal.aborted) process.exit(cancelled.code)
    writeSync(2, '\nCancelled, cleaning up (once more to stop at once)\n')
    controller.abort(new Error(`Cancelled by ${name}`))
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  return cancelled
}

/** `ibt ls | head` is no failure. */
function ignoreClosedPipe(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(Exit.done)
    throw error
  })
}
