import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { BackupError } from '../errors.js'
import { lockName } from '../format/names.js'
import type { Store, StoreOptions } from '../types.js'

/** A lock that is held. */
export interface Lock {
  /** Gives it back. A lock that somebody else holds by now stays. */
  release(): Promise<void>
}

interface Holder {
  readonly pid: number
  /** When the process began, in the system's own count: tells it from a later one with the same number. */
  readonly began?: string | undefined
  readonly host: string
  readonly since: string
  readonly token: string
}

/**
 * Locks a key of a store: a file that says who holds it. One that a process of this host left when it died is taken over.
 * A store without `create` is only asked, not made to decide: two runs at the same moment may both be let in.
 *
 * @throws BackupError IBT_LOCKED, with the holder and the name to delete if it is gone for good.
 */
export async function acquireLock(store: Store, key: string, options: StoreOptions = {}): Promise<Lock> {
  const name = lockName(key)
  const holder = await thisProcess()
  if (!(await take(store, name, holder, options))) {
    const other = await readHolder(store, name, options)
    if (other !== undefined && !(await isDead(other))) throw locked(key, name, other)
    await takeOver(store, key, name, holder, options)
  }
  return {
    async release() {
      if ((await readHolder(store, name))?.token === holder.token) await store.delete(name)
    }
  }
}

async function take(store: Store, name: string, holder: Holder, options: StoreOptions): Promise<boolean> {
  const bytes = Buffer.from(`${JSON.stringify(holder)}\n`)
  if (store.create !== undefined) return store.create(name, bytes, options)
  if ((await readHolder(store, name, options)) !== undefined) return false
  await store.put(name, [bytes], options)
  return (await readHolder(store, name, options))?.token === holder.token
}

/** Of several that find a dead holder, the one that gets the second lock looks again and decides. */
async function takeOver(store: Store, key: string, name: string, holder: Holder, options: StoreOptions): Promise<void> {
  const gate = `${name}.takeover`
  if (!(await take(store, gate, holder, options))) {
    const other = await readHolder(store, gate, options)
    if (other === undefined || !(await isDead(other))) throw locked(key, gate, other ?? holder)
    await store.delete(gate, options)
    throw locked(key, gate, other)
  }
  try {
    const other = await readHolder(store, name, options)
    if (other !== undefined && !(await isDead(other))) throw locked(key, name, other)
    await store.delete(name, options)
    if (!(await take(store, name, holder, options))) throw locked(key, name, (await readHolder(store, name)) ?? holder)
  } finally {
    await store.delete(gate)
  }
}

async function readHolder(store: Store, name: string, options?: StoreOptions): Promise<Holder | undefined> {
  for await (const stored of store.list(name, options)) {
    if (stored.name !== name) continue
    const chunks: Uint8Array[] = []
    try {
      for await (const chunk of store.get(name, undefined, options)) chunks.push(chunk)
      return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Holder
    } catch {
      return undefined
    }
  }
  return undefined
}

async function thisProcess(): Promise<Holder> {
  const { pid } = process
  const token = randomBytes(16).toString('hex')
  return { pid, began: await beginOf(pid), host: hostname(), since: new Date().toISOString(), token }
}

/** Only a process of this host can be known to be dead. */
async function isDead({ pid, began, host }: Holder): Promise<boolean> {
  if (host !== hostname()) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
  return began !== undefined && (await beginOf(pid)) !== began
}

/** Field 22 of /proc/PID/stat; undefined where there is none. */
async function beginOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}

function locked(key: string, name: string, { pid, host, since }: Holder): BackupError {
  const message = `The backups of ${key} are locked by process ${pid} of ${host} since ${since}; if it is gone, delete ${name}`
  return new BackupError('IBT_LOCKED', message, { path: name })
}
