import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'

/** Who holds a lock: what its file says, in JSON. */
export interface LockHolder {
  readonly pid: number
  /** When the process began, in the system's own count: tells it from a later one with the same number. */
  readonly began?: string | undefined
  readonly host: string
  /** Wall clock, in decimal digits. */
  readonly startedNs: string
  /** Tells this lock from every other one. */
  readonly token: string
}

export async function thisProcess(): Promise<LockHolder> {
  const { pid } = process
  const startedNs = String(BigInt(Date.now()) * 1_000_000n)
  return { pid, began: await beginOf(pid), host: hostname(), startedNs, token: randomBytes(16).toString('hex') }
}

export function encodeHolder(holder: LockHolder): Uint8Array {
  return Buffer.from(`${JSON.stringify(holder)}\n`)
}

/** Undefined for what is no holder: nobody can tell then whether it lives. */
export function decodeHolder(bytes: Uint8Array): LockHolder | undefined {
  let value: Partial<Record<keyof LockHolder, unknown>> | null
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { pid, began, host, startedNs, token } = value
  const isHolder =
    Number.isSafeInteger(pid) &&
    (pid as number) > 0 &&
    typeof host === 'string' &&
    typeof startedNs === 'string' &&
    /^\d{1,20}$/.test(startedNs) &&
    typeof token === 'string' &&
    /^[0-9a-f]{32}$/.test(token) &&
    (began === undefined || typeof began === 'string')
  return isHolder ? (value as LockHolder) : undefined
}

/** Whether the process is known to be gone: only one of this host can be. */
export async function isGone({ pid, began, host }: LockHolder): Promise<boolean> {
  if (host !== hostname()) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  const beginNow = began === undefined ? undefined : await beginOf(pid)
  return beginNow !== undefined && beginNow !== began
}

export function printHolder({ pid, host, startedNs }: LockHolder): string {
  return `process ${pid} of ${host} since ${new Date(Number(BigInt(startedNs) / 1_000_000n)).toISOString()}`
}

/** Field 22 of /proc/PID/stat; undefined where there is none. Source: proc(5). */
async function beginOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}
