import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isCode, raise } from './directory-files.js'

/** `.NAME.until`: a line with the time until which NAME is retained. */
const MARK = /^\.(.+)\.until$/

/** The owner can read a retained file, and no program that opens it to write can change it by mistake. */
export const READ_ONLY = 0o400

/** The name that a mark is for; undefined for another file. */
export function markedName(file: string): string | undefined {
  return MARK.exec(file)?.[1]
}

/** The mark of a name. */
export function markName(name: string): string {
  return `.${name}.until`
}

/** Where the mark of a name is. */
export function markOf(directory: string, name: string): string {
  return join(directory, markName(name))
}

/** Until when a name is retained: 0 without a mark. A mark that says no time retains until somebody removes it. */
export async function readMark(directory: string, name: string): Promise<number> {
  const text = await readFile(markOf(directory, name), 'utf8').catch(error =>
    isCode(error, 'ENOENT') ? undefined : raise(error)
  )
  return text === undefined ? 0 : parseMark(text)
}

/** The time that a mark says. */
export function parseMark(text: string): number {
  const untilMs = Date.parse(text.trim())
  return Number.isNaN(untilMs) ? Infinity : untilMs
}

export function printMark(untilMs: number): Uint8Array {
  return Buffer.from(`${new Date(untilMs).toISOString()}\n`)
}

export function makeReadOnly(path: string): Promise<void> {
  return chmod(path, READ_ONLY)
}
