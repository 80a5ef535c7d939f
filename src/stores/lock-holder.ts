import { randomBytes } from 'node:crypto'
import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'
import { LOCK_STALE_MS } from '../constants.js'

/** Where a process number means something. */
interface Place {
  readonly host: string
  /** Id of the boot of the system; undefined where it has none. Containers share that of their host. */
  readonly boot?: string | undefined
  /** The namespace that the process number counts in; undefined where there are none. */
  readonly pidNamespace?: string | undefined
}

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
  const began = (await statOf('self'))?.beganAt
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

async function isProcessGone({ pid, began }: LockHolder): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  // A /proc of another namespace has other processes under the same numbers.
  if ((await readlink('/proc/self').catch(() => '')) !== String(process.pid)) return false
  const { beganAt, isOver = false } = (await statOf(String(pid))) ?? {}
  return isOver || (began !== undefined && beganAt !== undefined && beganAt !== began)
}

function isStale({ renewedNs }: LockHolder): boolean {
  return renewedNs !== undefined && Date.now() - toMs(renewedNs) > LOCK_STALE_MS
}

export function printHolder({ pid, host, startedNs, renewedNs = startedNs }: LockHolder): string {
  const time = (ns: string) => new Date(toMs(ns)).toISOString()
  return `process ${pid} of ${host} since ${time(startedNs)}, last renewed at ${time(renewedNs)}`
}

let place: Promise<Place> | undefined

/** Source: proc(5), pid_namespaces(7). */
function thisPlace(): Promise<Place> {
  place ??= (async () => ({
    host: hostname(),
    boot: (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined))?.trim(),
    pidNamespace: await readlink('/proc/self/ns/pid').catch(() => undefined)
  }))()
  return place
}

interface ProcessStat {
  readonly beganAt: string | undefined
  /** It has ended with all its threads, and only its parent has not asked for its exit code: some never do. */
  readonly isOver: boolean
}

/** Fields 3, 20 and 22 of /proc/PID/stat; undefined where there is none. Source: proc(5). */
async function statOf(pid: string): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && { beganAt: fields[19], isOver: 'ZX'.includes(fields[0]!) && Number(fields[17]) <= 1 }
}

function nowNs(): string {
  return String(BigInt(Date.now()) * 1_000_000n)
}

function toMs(ns: string): number {
  return Number(BigInt(ns) / 1_000_000n)
}
