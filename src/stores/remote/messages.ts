import { BackupError, type ErrorCode, isBackupError } from '../../errors.js'
import type { StoredName } from '../../types.js'
import { checkRange, checkStoredName, checkUntil } from '../stored-name.js'
import { violation } from './frames.js'

export const PROTOCOL = 'incremental-backups-tools store'
export const VERSION = 1

/** Bytes of one call that a side takes before the other one has to wait. */
export const WINDOW_BYTES = 2 * 1024 * 1024
const WINDOW_BYTES_MAX = 64 * 1024 * 1024
const LISTED_LINE_MAX = 4096

/** Calls of the protocol. */
export type RemoteCall = 'put' | 'get' | 'list' | 'delete' | 'create' | 'retain' | 'thaw' | 'clean'
const CALLS: readonly unknown[] = ['put', 'get', 'list', 'delete', 'create', 'retain', 'thaw', 'clean']

/** What begins a call. The fields depend on it. */
export interface Request {
  readonly call: RemoteCall
  readonly name: string
  readonly start?: number | undefined
  readonly end?: number | undefined
  readonly untilMs?: number | undefined
  /** Of a list. A side that does not know it lists without. */
  readonly withRetention?: boolean | undefined
  /** Of a list: lines may also say what is cold. A caller of an older version would not understand them. */
  readonly withCold?: boolean | undefined
}

/** What each side says first. */
export interface Hello {
  readonly protocol: string
  readonly versions: readonly number[]
  readonly windowBytes: number
  /** Of the caller: what only processes of one machine know. */
  readonly machine?: string | undefined
  /** Of the store: its id, the optional calls that are allowed, its places if both sides are on one machine. */
  readonly id?: string | undefined
  readonly calls?: readonly string[] | undefined
  readonly places?: readonly string[] | undefined
}

export function encodeJson(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value))
}

/** @throws BackupError IBT_STORE_FAILED */
export function decodeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw violation('a message that is not JSON')
  }
}

/** @throws BackupError IBT_STORE_FAILED for anything but a hello of a version that is known */
export function decodeHello(bytes: Uint8Array): Hello {
  const hello = toObject(decodeJson(bytes))
  const { protocol, versions, windowBytes, machine, id, calls, places } = hello
  if (protocol !== PROTOCOL) throw violation('its first message is another one')
  if (!Array.isArray(versions) || !versions.includes(VERSION)) {
    throw violation(`it has version ${JSON.stringify(versions)}, this is version ${VERSION}`)
  }
  const isWindow = Number.isSafeInteger(windowBytes) && (windowBytes as number) > 0
  if (!isWindow || (windowBytes as number) > WINDOW_BYTES_MAX) throw violation('a window of no size')
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  const isTexts = (value: unknown) => value === undefined || (Array.isArray(value) && value.every(isText))
  if (![machine, id].every(isText) || ![calls, places].every(isTexts)) throw violation('a wrong first message')
  return hello as unknown as Hello
}

/** @throws BackupError IBT_STORE_FAILED, IBT_NAME_INVALID; RangeError for a range or time that is none */
export function decodeRequest(bytes: Uint8Array): Request {
  const { call, name, start = 0, end, untilMs, withRetention, withCold } = toObject(decodeJson(bytes))
  if (!CALLS.includes(call) || typeof name !== 'string') throw violation('an unknown call')
  if (call === 'get') checkRange({ start: start as number, end: end as number | undefined })
  if (call === 'retain') checkUntil(untilMs as number)
  // A prefix and a key are no names.
  if (call !== 'list' && call !== 'clean') checkStoredName(name)
  return {
    ...{ call: call as RemoteCall, name, start: start as number, end: end as number, untilMs: untilMs as number },
    withRetention: withRetention === true,
    withCold: withCold === true
  }
}

export function encodeError(error: unknown): Buffer {
  const { name, code } = Object(error) as { readonly name?: unknown; readonly code?: unknown }
  if (!isBackupError(error)) {
    // Its text may say more of the machine than the other side is to know.
    return encodeJson({ name, cause: code, message: `The store failed${typeof code === 'string' ? `: ${code}` : ''}` })
  }
  const cause = (Object(error.cause) as { readonly code?: unknown }).code
  return encodeJson({ code: error.code, message: error.message.slice(0, 2000), path: error.path, cause })
}

export function decodeError(bytes: Uint8Array): Error {
  const { name, code, message, path, cause } = toObject(decodeJson(bytes))
  const text = typeof message === 'string' ? message : 'The store failed'
  if (name === 'RangeError') return new RangeError(text)
  if (name === 'TypeError') return new TypeError(text)
  const known = typeof code === 'string' && /^IBT_[A-Z_]+$/.test(code) ? (code as ErrorCode) : 'IBT_STORE_FAILED'
  return new BackupError(known, text, {
    path: typeof path === 'string' ? path : undefined,
    cause: typeof cause === 'string' ? Object.assign(new Error(cause), { code: cause }) : undefined
  })
}

/** A line of a list: as short as it can be. */
export function encodeListed({ name, sizeBytes, retainedUntilMs, cold }: StoredName): string {
  const fields = [name, sizeBytes, retainedUntilMs ?? null, cold ?? null]
  return `${JSON.stringify(fields.slice(0, cold ? 4 : retainedUntilMs === undefined ? 2 : 3))}\n`
}

/** Reads the lines of a list. Memory: one line. @throws BackupError IBT_STORE_FAILED */
export async function* decodeList(source: AsyncIterable<Uint8Array>): AsyncGenerator<StoredName, void, undefined> {
  let rest = Buffer.alloc(0)
  for await (const chunk of source) {
    rest = rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk])
    let from = 0
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, from)) {
      yield decodeListed(rest.subarray(from, end))
      from = end + 1
    }
    rest = rest.subarray(from)
    if (rest.length > LISTED_LINE_MAX) throw violation('a name without an end')
  }
  if (rest.length > 0) throw violation('half a name')
}

function decodeListed(line: Uint8Array): StoredName {
  const listed = decodeJson(line)
  const [name, sizeBytes, until, cold] = Array.isArray(listed) ? (listed as unknown[]) : []
  const isSize = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
  if (typeof name !== 'string' || !isSize(sizeBytes)) throw violation('a name that is none')
  const retainedUntilMs = until ?? undefined
  if (retainedUntilMs !== undefined && typeof retainedUntilMs !== 'number') throw violation('a time that is none')
  if (!isCold(cold)) throw violation('a name that is cold in no way')
  const rest = { ...(retainedUntilMs !== undefined && { retainedUntilMs }), ...(cold && { cold }) }
  return { name, sizeBytes: sizeBytes as number, ...rest }
}

function isCold(value: unknown): value is StoredName['cold'] {
  return [undefined, 'frozen', 'thawing'].includes(value as StoredName['cold'])
}

function toObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw violation('a message that is no object')
}
