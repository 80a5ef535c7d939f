import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'

/** What processes of one machine say alike, and nobody else can: a digest of the id of its boot. Undefined without one. */
export async function machineProof(): Promise<string | undefined> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => undefined)
  return boot && createHash('sha256').update(`places of a store ${boot.trim()}`).digest('hex')
}
