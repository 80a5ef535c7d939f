import { BackupError, isBackupError } from '../errors.js'
import { isProofsName, parseArtifactName, parseRemovedName, parseSegmentName } from '../format/names.js'
import { parseVolumeName } from '../format/volume-names.js'
import type { ByteRange, StoredName } from '../types.js'

/** What `validateStore` stores begins with it. */
export const TRIED = 'ibt-validate-'

/** What the id of a store begins with that has none of its own: another at every run. */
export const UNNAMED = 'unnamed-'
/** The last time that a calendar has, in ms since 1970. */
const UNTIL_MS_MAX = 8.64e15

/** Bytes of a name, at most: file systems take 255, and a temporary name is 22 longer. */
const NAME_BYTES_MAX = 230

/** Whether something is a name in every store: neither empty, hidden, a path, longer than 230 bytes, nor not UTF-8. */
export function isStoredName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    name !== '' &&
    !name.startsWith('.') &&
    !/[/\0]/.test(name) &&
    name.isWellFormed() &&
    Buffer.byteLength(name) <= NAME_BYTES_MAX
  )
}

/** @throws BackupError IBT_NAME_INVALID for anything that is not a name in every store */
export function checkStoredName(name: string): void {
  if (isStoredName(name)) return
  const message = `${JSON.stringify(name)} is not a valid name in a store: 1 to ${NAME_BYTES_MAX} bytes, without '/', NUL or a leading '.'`
  throw new BackupError('IBT_NAME_INVALID', message, { path: name })
}

/** @throws RangeError for a range that ends before it starts or is not of whole bytes. */
export function checkRange({ start, end = start }: ByteRange): void {
  if (Number.isSafeInteger(start) && start >= 0 && (end === Infinity || Number.isSafeInteger(end)) && end >= start)
    return
  throw new RangeError(`Not a range of bytes: from ${start} to ${end}`)
}

/** @throws RangeError for what is not a time in ms since 1970 that a calendar has. */
export function checkUntil(untilMs: number): void {
  if (Number.isSafeInteger(untilMs) && untilMs >= 0 && untilMs <= UNTIL_MS_MAX) return
  throw new RangeError(`Not a time in milliseconds since 1970: ${untilMs}`)
}

/** @throws TypeError for bytes instead of a source of them, which would iterate as numbers. */
export function checkSource(source: unknown): void {
  if (source instanceof Uint8Array)
    throw new TypeError('Expected a source of chunks, not one chunk: put it into an array')
}

/** @throws TypeError for a chunk that is not bytes. */
export function checkChunk(chunk: unknown): void {
  if (!(chunk instanceof Uint8Array)) throw new TypeError(`A store takes chunks of bytes, not ${typeof chunk}`)
}

/** @throws BackupError IBT_STORE_FAILED for what a list of a store gives that is not a name with its size */
export function checkListed({ name, sizeBytes }: StoredName): void {
  if (typeof name === 'string' && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0) return
  const message = `The store lists ${String(name)} with the size ${String(sizeBytes)}, not with a number of bytes`
  throw new BackupError('IBT_STORE_FAILED', message, { path: String(name) })
}

/** Order of `list`: that of the names' bytes. */
export function compareStoredNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/**
 * Whether a name is that of an artifact of a key, a volume of one, a removed state, the record of a segment, or what a
 * verification has proven: if a put of it was interrupted, `clean` may remove what it has left. A verification under way
 * loses its proofs by that, and nothing else.
 */
export function isNameOf(name: string, key: string): boolean {
  if (isProofsName(name, key)) return true
  if (key.startsWith(TRIED) && name.startsWith(`${key}.`)) return true
  const parsed = parseArtifactName(name) ?? parseRemovedName(name) ?? parseSegmentName(name) ?? parseVolumeName(name)
  return parsed?.key === key
}

/** The error of a name that a store does not have. */
export function notFound(name: string, cause?: unknown): BackupError {
  return new BackupError('IBT_NOT_FOUND', `The store does not have ${name}`, { path: name, cause })
}

/** The error of a name that cannot be deleted or replaced before a time. */
export function retained(name: string, untilMs: number): BackupError {
  return new BackupError('IBT_RETAINED', `${name} is ${describeRetained(untilMs)}`, { path: name })
}

/** Until when a name is locked, for people. */
export function describeRetained(untilMs: number): string {
  if (untilMs === Infinity) return 'locked until its mark is removed'
  return `locked until ${new Date(Math.min(untilMs, UNTIL_MS_MAX)).toISOString()}`
}

/** Whether a store says that it may not delete or replace a name yet. */
export function isRetained(error: unknown): boolean {
  return isBackupError(error) && error.code === 'IBT_RETAINED'
}

/** Whether a store says that it does not have a name. */
export function isNotFound(error: unknown): boolean {
  return isBackupError(error) && error.code === 'IBT_NOT_FOUND'
}

/** Passes the bytes of a range on. @throws BackupError IBT_STORE_FAILED for more than were asked for: a store that ignores ranges */
export async function* withinRange(
  chunks: AsyncIterable<Uint8Array>,
  name: string,
  { start, end = Infinity }: ByteRange
): AsyncGenerator<Uint8Array, void, undefined> {
  const asked = Math.max(0, end - start)
  let left = asked
  for await (const chunk of chunks) {
    left -= chunk.length
    if (left < 0) {
      const message = `The store gave more of ${name} than the ${asked} bytes that were asked for`
      throw new BackupError('IBT_STORE_FAILED', message, { path: name })
    }
    yield chunk
  }
}
