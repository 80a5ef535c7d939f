import { parseArtifactName, parseRemovedName } from '../../format/names.js'
import type { StoredName } from '../../types.js'
import { notFound, retained } from '../stored-name.js'
import type { Connection } from './connection.js'
import { headIfThere } from './head.js'

const REQUESTS_AT_ONCE = 16

/**
 * Object Lock. In a bucket with it every object has versions: a delete hides the object behind a marker, and a put behind
 * a newer version, also while the lock keeps the bytes. So the store itself refuses both.
 */
export class Retention {
  constructor(
    readonly connection: Connection,
    readonly mode: 'GOVERNANCE' | 'COMPLIANCE'
  ) {}

  /** @throws BackupError IBT_RETAINED */
  async check(name: string, signal: AbortSignal | undefined): Promise<void> {
    const untilMs = (await this.#until(name, signal)) ?? 0
    if (untilMs > Date.now()) throw retained(name, untilMs)
  }

  /** The artifacts with the times that they are locked until: a request for each, several at a time. */
  async *of(
    listed: readonly StoredName[],
    signal: AbortSignal | undefined
  ): AsyncGenerator<StoredName, void, undefined> {
    for (let at = 0; at < listed.length; at += REQUESTS_AT_ONCE) {
      const group = listed.slice(at, at + REQUESTS_AT_ONCE)
      const untils = await Promise.all(group.map(({ name }) => (isArtifact(name) ? this.#until(name, signal) : 0)))
      for (const [i, stored] of group.entries()) {
        const retainedUntilMs = untils[i]
        if (retainedUntilMs !== undefined) yield { ...stored, ...(retainedUntilMs > 0 && { retainedUntilMs }) }
      }
    }
  }

  /** @throws BackupError IBT_NOT_FOUND */
  async retain(name: string, untilMs: number, signal: AbortSignal | undefined): Promise<void> {
    const before = await this.#until(name, signal)
    if (before === undefined) throw notFound(name)
    // S3 takes no earlier time, and none that has passed.
    if (untilMs <= Math.max(before, Date.now())) return
    const Retention = { Mode: this.mode, RetainUntilDate: new Date(untilMs) }
    await this.connection.send(name, signal, ({ client, sdk, abort }) =>
      client.send(new sdk.PutObjectRetentionCommand({ ...this.connection.at(name), Retention }), abort)
    )
  }

  /** Until when an object is locked: 0 if it is not, undefined if there is none. */
  async #until(name: string, signal: AbortSignal | undefined): Promise<number | undefined> {
    const found = await headIfThere(this.connection, name, signal)
    if (found === undefined) return undefined
    if (found.ObjectLockLegalHoldStatus === 'ON') return Infinity
    return found.ObjectLockRetainUntilDate?.getTime() ?? 0
  }
}

function isArtifact(name: string): boolean {
  return (parseArtifactName(name) ?? parseRemovedName(name)) !== undefined
}
