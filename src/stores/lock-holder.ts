import { randomBytes } from 'node:crypto'
import { LOCK_STALE_MS } from '../constants.js'
import { isProcessGone, type Place, processStat, thisPlace } from '../native/process-place.js'

/** Who holds a lock: what its file says, in JSON. */
export interface LockHolder extends Place {
  readonly pid: number
  /** When the process began, in the system's own count: tells it from a later one with the same number. */
  readonly began?: string | undefined
  /** Wall clock, in decimal digits. */
  readonly startedNs: string
  /** When the holder last said that it lives: wall clock, in decimal digits. */
  readonly renewedNs?: string | undefined
  /** Tells this lock from every other one. */
  readonly token: string
}

export async function thisProcess(): Promise<LockHolder> {
  const began = (await processStat('self'))?.beganAt
  const startedNs = nowNs()
  const token = randomBytes(16).toString('hex')
  return { pid: process.pid, began, ...(await thisPlace()), startedNs, renewedNs: startedNs, token }
}

/** The holder as it is written again while it lives. */
export function renewed(holder: LockHolder): LockHolder {
  return { ...holder, renewedNs: nowNs() }
}

export function encodeHolder(holder: LockHolder): Uint8Array {
  return Buffer.from(`${JSON.stringify(holder)}\n`)
}

const NS = /^\d{1,20}$/

/** Undefined for what is not a holder: nobody can tell then whether it lives. */
export function decodeHolder(bytes: Uint8Array): LockHolder | undefined {
  let value: Partial<Record<keyof LockHolder, unknown>> | null
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { pid, began, host, boot, pidNamespace, startedNs, renewedNs, token } = value
  const isHolder =
    Number.isSafeInteger(pid) &&
    (pid as number) > 0 &&
    typeof host === 'string' &&
    typeof startedNs === 'string' &&
    NS.test(startedNs) &&
    (renewedNs === undefined || (typeof renewedNs === 'string' && NS.test(renewedNs))) &&
    typeof token === 'string' &&
    /^[0-9a-f]{32}$/.test(token) &&
    [began, boot, pidNamespace].every(text => text === undefined || typeof text === 'string')
  return isHolder ? (value as LockHolder) : undefined
}

/**
 * Whether the holder is known to be gone. In the same boot and process namespace its process number tells. In another
 * namespace or boot of a machine of the same name it is gone if it has not renewed its lock for `LOCK_STALE_MS`. Of
 * another machine nothing is known.
 */
export async function isGone(holder: LockHolder): Promise<boolean> {
  const here = await thisPlace()
  const isSameBoot = holder.boot !== undefined && holder.boot === here.boot
  if (!isSameBoot && holder.host !== here.host) return false
  // A lock that names neither was written where there are none, or by a version that did not know them.
  const namesPlace = holder.boot !== undefined || holder.pidNamespace !== undefined
  const isSamePlace = isSameBoot && holder.pidNamespace === here.pidNamespace
  return isSamePlace || !namesPlace ? isProcessGone(holder) : isStale(holder)
}

function isStale({ renewedNs }: LockHolder): boolean {
  return renewedNs !== undefined && Date.now() - toMs(renewedNs) > LOCK_STALE_MS
}

export function printHolder({ pid, host, startedNs, renewedNs = startedNs }: LockHolder): string {
  const time = (ns: string) => new Date(toMs(ns)).toISOString()
  return `process ${pid} of ${host} since ${time(startedNs)}, last renewed at ${time(renewedNs)}`
}

function nowNs(): string {
  return String(BigInt(Date.now()) * 1_000_000n)
}

function toMs(ns: string): number {
  return Number(BigInt(ns) / 1_000_000n)
}
