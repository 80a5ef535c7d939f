import { readFile, readlink } from 'node:fs/promises'
import { hostname } from 'node:os'

/** Where a process number means something. */
export interface Place {
  readonly host: string
  /** Id of the boot of the system; undefined where it has none. Containers share that of their host. */
  readonly boot?: string | undefined
  /** The namespace that the process number counts in; undefined where there are none. */
  readonly pidNamespace?: string | undefined
}

/** Whether a process of this place is gone; `began` tells it from a later one with its number. */
export async function isProcessGone({
  pid,
  began
}: {
  readonly pid: number
  readonly began?: string | undefined
}): Promise<boolean> {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  // A /proc of another namespace has other processes under the same numbers.
  if ((await readlink('/proc/self').catch(() => '')) !== String(process.pid)) return false
  const { beganAt, isOver = false } = (await processStat(String(pid))) ?? {}
  return isOver || (began !== undefined && beganAt !== undefined && beganAt !== began)
}

let place: Promise<Place> | undefined

/** Source: proc(5), pid_namespaces(7). */
export function thisPlace(): Promise<Place> {
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
export async function processStat(pid: string): Promise<ProcessStat | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  return fields && { beganAt: fields[19], isOver: 'ZX'.includes(fields[0]!) && Number(fields[17]) <= 1 }
}
