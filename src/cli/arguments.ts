import { isUtf8 } from 'node:buffer'
import { readFileSync, realpathSync } from 'node:fs'
import { decodePath } from '../path.js'
import { UsageError } from './exit.js'

const COMMAND_LINE = '/proc/self/cmdline'

/**
 * The arguments as they were typed. Node replaces bytes that are not UTF-8; here they are the escapes of `decodePath`,
 * which `encodePath` turns back.
 *
 * @throws UsageError where only the system knows what was typed, and does not say.
 */
export function typedArguments(args: readonly string[], commandLine = COMMAND_LINE): readonly string[] {
  if (!args.some(isDoubtful)) return args
  const typed = readArguments(commandLine).slice(-args.length)
  return args.map((arg, i) => {
    if (!isDoubtful(arg)) return arg
    const bytes = typed[i]
    if (bytes?.toString() === arg) return decodePath(bytes)
    throw new UsageError(`Argument ${i + 1} is not UTF-8, and this system does not give its bytes: ${arg}`)
  })
}

/** Node knows such a directory by a name that is not its own, and would make that. @throws UsageError */
export function checkWorkingDirectory(): void {
  if (!isDoubtful(workingDirectory()) || isUtf8(realpathSync.native('.', { encoding: 'buffer' }))) return
  throw new UsageError('The path of the working directory is not UTF-8: start from another one')
}

function workingDirectory(): string {
  try {
    return process.cwd()
  } catch {
    throw new UsageError('The working directory was deleted: start from another one')
  }
}

/** U+FFFD was typed, or stands for bytes that are not UTF-8. */
function isDoubtful(arg: string): boolean {
  return arg.includes('\ufffd')
}

/** Each ends in a NUL. */
function readArguments(commandLine: string): Buffer[] {
  let bytes: Buffer
  try {
    bytes = readFileSync(commandLine)
  } catch {
    return []
  }
  const args: Buffer[] = []
  for (let start = 0, end: number; (end = bytes.indexOf(0, start)) >= 0; start = end + 1) {
    args.push(bytes.subarray(start, end))
  }
  return args
}

/** A path of which only text will do. @throws UsageError */
export function checkText(what: string, path: string): string {
  if (path.isWellFormed()) return path
  throw new UsageError(`The path of ${what} is not UTF-8`)
}
