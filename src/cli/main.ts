import { checkWorkingDirectory, typedArguments } from './arguments.js'
import { cancelOnSignal, type Listen } from './cancel.js'
import { describeError, describeFailure, Exit, exitCode, failure, UsageError } from './exit.js'
import { failedLine } from './json.js'
import { outputFailure, say, watchOutput } from './output.js'

/** What every command gets. Its answer is the exit code. */
export type Command = (args: readonly string[], signal: AbortSignal) => Promise<number>

const RDIFF_COMMANDS = new Set(['signature', 'delta', 'patch', 'compose'])

/** Runs the command line. Those of rdiff load nothing but the addon. */
export async function main(args: readonly string[], listen: Listen): Promise<void> {
  process.exitCode = Exit.failed
  watchOutput()
  const talk = new Talk(args)
  const cancelled = cancelOnSignal(listen, name => talk.cancel(name))
  // A promise that never settles drains the loop: without this, Node would exit with 0 and say nothing.
  let code: number | undefined
  process.on('beforeExit', () => {
    code ??= talk.fail(new Error('The run ended before it was done'), Exit.failed)
    // Not by itself: a signal that comes while Node takes itself apart would change the exit code.
    process.exit(code)
  })
  process.on('uncaughtException', error => {
    process.exit(talk.fail(error, Exit.failed))
  })
  try {
    code = await run(typedArguments(args), cancelled.signal)
    const lost = await outputFailure()
    // The work is done, even if nobody could read about it.
    if (lost !== undefined) say(`ibt: Cannot write to stdout: ${describeError(lost)}\n`)
  } catch (error) {
    code = talk.fail(error, cancelled.signal.aborted ? cancelled.code : exitCode(error))
  }
}

async function run(args: readonly string[], signal: AbortSignal): Promise<number> {
  if (args[0] === '__complete') return (await import('./completion/complete.js')).runComplete(args.slice(1))
  checkWorkingDirectory()
  const command: Command = RDIFF_COMMANDS.has(args[0] ?? '')
    ? (await import('./rdiff.js')).runRdiff
    : (await import('./program.js')).runProgram
  signal.throwIfAborted()
  return command(args, signal)
}

/** How a run that is not done says so: to a person on stderr and, with `--json`, to a program in its last line. */
class Talk {
  readonly #json: NodeJS.WriteStream | undefined

  constructor(args: readonly string[]) {
    const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
    if (!options.includes('--json') || RDIFF_COMMANDS.has(args[0]!)) return
    // Where stdout is a tar or a file, a program reads stderr.
    this.#json = hasDataOnStdout(args[0], options) ? process.stderr : process.stdout
  }

  cancel(name: string): void {
    this.#say(`\nCancelled by ${name}, cleaning up\n`)
  }

  /** Returns the exit code. */
  fail(error: unknown, code: number): number {
    const found = failure(error, code)
    if (found.code !== 'CANCELLED' && !(error instanceof UsageError && error.isSaid)) {
      this.#say(`ibt: ${describeFailure(error)}`)
    }
    this.#json?.write(failedLine(found, code))
    return code
  }

  #say(text: string): void {
    if (this.#json !== process.stderr) say(text)
  }
}

function hasDataOnStdout(command: string | undefined, options: readonly string[]): boolean {
  if (command === 'restore') return options.includes('-')
  if (command === 'send') return !options.some(option => /^--to-command(=|$)/.test(option))
  return (
    command === 'export' ||
    command === 'cat' ||
    command === 'receive' ||
    options.some(option => option === '--out' || option.startsWith('--out='))
  )
}
