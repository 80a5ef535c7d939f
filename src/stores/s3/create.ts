import { setTimeout } from 'node:timers/promises'
import { S3_RESUME_MS } from '../../constants.js'
import { BackupError } from '../../errors.js'
import type { Connection } from './connection.js'
import { statusOf } from './explain.js'
import { headIfThere } from './head.js'
import type { ObjectFields } from './upload.js'

/** How often a name is tried that others create at the same time. */
const CONFLICTS = 5

/**
 * Stores objects only where there are none, by a conditional write. Servers that do not know the condition ignore it, so
 * the first name that is created is written twice, with the same bytes: the server has to refuse the second one.
 */
export class Creator {
  #isKept: boolean | undefined

  constructor(readonly connection: Connection) {}

  /** @throws BackupError IBT_STORE_FAILED if the server ignores the condition: then nothing is stored */
  async create(
    name: string,
    bytes: Uint8Array,
    fields: ObjectFields,
    signal: AbortSignal | undefined
  ): Promise<boolean> {
    // A server that ignores the condition must not replace what somebody else has created.
    if (this.#isKept === undefined && (await headIfThere(this.connection, name, signal)) !== undefined) return false
    const isFirst = await this.#put(name, bytes, fields, signal)
    if (!isFirst || this.#isKept) return isFirst
    if (await this.#put(name, bytes, fields, signal)) {
      await this.connection.send(name, signal, ({ client, sdk, abort }) =>
        client.send(new sdk.DeleteObjectCommand(this.connection.at(name)), abort)
      )
      throw ignored(name, this.connection.options)
    }
    this.#isKept = true
    return true
  }

  async #put(name: string, bytes: Uint8Array, fields: ObjectFields, signal: AbortSignal | undefined): Promise<boolean> {
    for (let conflicts = 0; ; conflicts++) {
      try {
        await this.connection.send(name, signal, ({ client, sdk, abort }) => {
          const input = { ...this.connection.at(name), ...fields, Body: bytes, IfNoneMatch: '*' }
          return client.send(new sdk.PutObjectCommand(input), abort)
        })
        return true
      } catch (error) {
        const { attempts = 1 } = (Object(error) as { $metadata?: { attempts?: number } }).$metadata ?? {}
        // An earlier attempt may have stored it, and lost its answer.
        if (statusOf(error) === 412) return attempts > 1 && this.#isOurs(name, bytes, signal)
        if (statusOf(error) === 501) throw ignored(name, this.connection.options, error)
        // Another one is being stored, or deleted.
        if (statusOf(error) !== 409 || conflicts === CONFLICTS) throw error
        await setTimeout(S3_RESUME_MS * 2 ** conflicts, undefined, { signal })
      }
    }
  }

  async #isOurs(name: string, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<boolean> {
    const stored = await this.connection.send(name, signal, async ({ client, sdk, abort }) => {
      const { Body } = await client.send(new sdk.GetObjectCommand(this.connection.at(name)), abort)
      return Body!.transformToByteArray()
    })
    return Buffer.compare(stored, bytes) === 0
  }
}

function ignored(name: string, { bucket, endpoint }: Connection['options'], cause?: unknown): BackupError {
  const server = endpoint ?? bucket
  const message = `${server} has no conditional writes (If-None-Match), so it cannot lock: with conditionalCreate=false, runs look for a lock before they write theirs, and two that begin at the same moment may both get it`
  return new BackupError('IBT_STORE_FAILED', message, { path: name, cause })
}
