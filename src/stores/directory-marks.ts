import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isCode, raise } from './directory-files.js'

/** `.NAME.until`: a line with the time until which NAME is retained. */
const MARK = /^\.(.+)\.until$/

/** The owner can read a retained file, and no program that opens it to write can change it by mistake. */
const READ_ONLY = 0o400

/** The name that a mark is for; undefined for another file. */
export function markedName(file: string): string | undefined {
  return MARK.exec(file)?.[1]
}

/** Where the mark of a name is. */
export function markOf(directory: string, name: string): string {
  return join(directory, `.${name}.until`)
}

/** Until when a name is retained: 0 without a mark. A mark that says no time retains until somebody removes it. */
export async function readMark(directory: string, name: string): Promise<number> {
  const text = await readFile(markOf(directory, name), 'utf8').catch(error =>
    isCode(error, 'ENOENT') ? undefined : raise(error)
  )
  if (text === undefined) return 0
  const untilMs = Date.parse(text.trim())
  return Number.isNaN(untilMs) ? Infinity : untilMs
}

export function printMark(untilMs: number): Uint8Array {
  return Buffer.from(`${new Date(untilMs).toISOString()}\n`)
}

export function makeReadOnly(path: string): Promise<void> {
  return chmod(path, READ_ONLY)
}
