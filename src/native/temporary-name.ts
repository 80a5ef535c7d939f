import { createHash, randomBytes } from 'node:crypto'
import { isProcessGone, processStat, thisPlace } from './process-place.js'

const TEMPORARY = /(?:^|\/)\.ibt-([0-9a-f]{8})-([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-([0-9a-f]{8})[0-9a-f]{8}\.tmp$/
/** What was written of a file, for the next run: no process writes it any more. */
const PARTIAL = /(?:^|\/)\.ibt-partial-([0-9a-f]{8})\.tmp$/

/** Nobody renews such a file, as the holder of a lock does. */
const UNCHANGED_MS = 24 * 60 * 60_000

let mark: Promise<string> | undefined

/**
 * The name that a file has in its directory until it is complete: it tells the process that writes the file, and, with
 * `name`, the file that it is to become.
 */
export async function temporaryName(name?: string): Promise<string> {
  mark ??= thisMark()
  const of = name === undefined ? randomBytes(4).toString('hex') : hashOf(name)
  return `.ibt-${await mark}-${of}${randomBytes(4).toString('hex')}.tmp`
}

/** The name of what was written of a file when its run ended too early. */
export function partialName(name: string): string {
  return `.ibt-partial-${hashOf(name)}.tmp`
}

/** Whether a file may have a part of what another one was to become. */
export function isPartialOf(name: string, path: string): boolean {
  return (PARTIAL.exec(path)?.[1] ?? TEMPORARY.exec(path)?.[5]) === hashOf(name)
}

export function isTemporaryName(path: string): boolean {
  return TEMPORARY.test(path)
}

/**
 * Whether a file is what a process has left that is known to be gone, as a lock is: in the same boot and process namespace
 * by its process number. In another one of a machine of the same name the file must not have changed for a day.
 */
export async function isLeftBehind({
  path,
  mtimeNs
}: {
  readonly path: string
  readonly mtimeNs: bigint
}): Promise<boolean> {
  if (PARTIAL.test(path)) return true
  const [, host, place, pid, began] = TEMPORARY.exec(path) ?? []
  if (host === undefined) return false
  const [ownHost, ownPlace] = await thisPlaceMarks()
  if (host !== ownHost) return false
  // Without the boot's number, another machine of this name could have the same mark.
  const isHere = place === ownPlace && (await thisPlace()).boot !== undefined
  if (isHere) return isProcessGone({ pid: Number(pid), began: began === '0' ? undefined : began })
  return Date.now() - Number(mtimeNs / 1_000_000n) > UNCHANGED_MS
}

async function thisMark(): Promise<string> {
  const began = (await processStat('self'))?.beganAt ?? '0'
  return [...(await thisPlaceMarks()), process.pid, began].join('-')
}

async function thisPlaceMarks(): Promise<readonly [host: string, place: string]> {
  const { host, boot = '', pidNamespace = '' } = await thisPlace()
  return [hashOf(host), hashOf(`${boot} ${pidNamespace}`)]
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
