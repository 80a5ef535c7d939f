import { createHash } from 'node:crypto'
import { realpath, stat } from 'node:fs/promises'
import { BackupError } from '../errors.js'
import { thisPlace } from '../native/process-place.js'
import { decodePath, encodePath, printPath } from '../path.js'
import type { TreePlace } from './messages.js'

/** Where a directory is; undefined if it is not there. */
export async function placeOf(path: string): Promise<TreePlace | undefined> {
  try {
    const real = await realpath(encodePath(path), 'buffer')
    const { dev, ino } = await stat(real, { bigint: true })
    const { host, boot = '' } = await thisPlace()
    const id = createHash('sha256').update(`${host} ${boot} ${dev} ${ino}`).digest('hex')
    return { path: decodePath(Buffer.from(real)), id }
  } catch {
    return undefined
  }
}

/** The place that the other side has named, if it is on this machine, under the same path. */
export async function placeHere(named: unknown): Promise<TreePlace | undefined> {
  const { path, id } = (named ?? {}) as Partial<TreePlace>
  if (typeof path !== 'string' || !path.startsWith('/') || path.includes('\0')) return undefined
  const here = await placeOf(path)
  return here?.id === id ? here : undefined
}

/** @throws BackupError IBT_NOT_ALLOWED if two places are one */
export function checkApart(source: TreePlace | undefined, destination: TreePlace | undefined): void {
  if (source === undefined || source.id !== destination?.id) return
  const { path } = source
  const message = `${printPath(path)} is the directory that is to be sent, and the one that is to be written into`
  throw new BackupError('IBT_NOT_ALLOWED', message, { path })
}
