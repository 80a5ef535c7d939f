import { randomBytes } from 'node:crypto'
import { isLockName } from '../format/names.js'
import { markedName } from './directory-marks.js'
import { isNameOf } from './stored-name.js'

/** `.NAME.RANDOM.tmp` */
const TEMPORARY = /^\.(.+)\.[0-9a-f]{16}\.tmp$/

/** The file beside a name that a put writes before it publishes: another one for each call. */
export function temporaryName(name: string): string {
  return `.${name}.${randomBytes(8).toString('hex')}.tmp`
}

/** What calls of a store that were killed have left of a key among the names of a directory. */
export interface LeftBehind {
  /** Temporary files that nobody but the holder of the key's lock writes. */
  readonly temporary: readonly string[]
  /** Temporary files of locks: whoever asks for the lock writes them, so the process that they name has to be gone. */
  readonly ofLocks: readonly string[]
  /** Marks of names that are not there: a crash came between the file and its mark. */
  readonly marks: readonly string[]
}

/** Finds what may be cleaned for the holder of a key's lock. */
export function findLeftBehind(names: readonly string[], key: string): LeftBehind {
  const there = new Set(names)
  const published = (file: string) => TEMPORARY.exec(file)?.[1] ?? ''
  const isOrphan = (marked: string | undefined) => marked !== undefined && isNameOf(marked, key) && !there.has(marked)
  return {
    temporary: names.filter(name => isNameOf(published(name), key)),
    ofLocks: names.filter(name => isLockName(published(name), key)),
    marks: names.filter(name => isOrphan(markedName(name)))
  }
}
