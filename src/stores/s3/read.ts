import type { Readable } from 'node:stream'
import { S3_RESUME_MS, S3_RESUMES } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { onAbort } from '../../flow/on-abort.js'
import { Patience } from '../../flow/patience.js'
import type { ByteRange } from '../../types.js'
import type { Connection } from './connection.js'
import { statusOf } from './explain.js'
import { headObject } from './head.js'

const RETRIES = { retries: S3_RESUMES, retryDelayMs: S3_RESUME_MS }

/**
 * The bytes of an object. A connection that breaks is opened again where it broke, up to `S3_RESUMES` times without a
 * byte between; the object has to be the same, by its ETag.
 *
 * Memory: one chunk of the connection.
 */
export async function* readObject(
  connection: Connection,
  name: string,
  { start, end = Infinity }: ByteRange,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  // A range of HTTP has a byte at least.
  if (end === start) return void (await headObject(connection, name, signal))
  const patience = new Patience(RETRIES, { isTransient: () => true }, signal)
  let [at, last] = [start, Infinity]
  let etag: string | undefined
  for (;;) {
    const answer = await open(connection, name, { start: at, end }, etag, signal)
    if (answer === undefined) return
    if (last === Infinity && answer.ContentLength !== undefined) last = at + answer.ContentLength
    etag ??= answer.ETag
    const body = answer.Body as Readable
    const stopListening = onAbort(signal, () => body.destroy())
    let broken: unknown
    try {
      for await (const chunk of body) {
        at += chunk.length
        patience.renew()
        yield chunk
      }
    } catch (error) {
      // The checksum of the whole is looked at behind the last byte.
      if (signal?.aborted || at >= last) throw error
      broken = error
    } finally {
      stopListening()
      body.destroy()
    }
    signal?.throwIfAborted()
    if (broken === undefined && (at === last || last === Infinity)) return
    await patience.pause(cut(name, at, broken))
  }
}

/** Undefined if the object ends before the range begins. */
async function open(
  connection: Connection,
  name: string,
  { start, end = Infinity }: ByteRange,
  IfMatch: string | undefined,
  signal: AbortSignal | undefined
) {
  const range = start === 0 && end === Infinity ? undefined : `bytes=${start}-${end === Infinity ? '' : end - 1}`
  const fields = { ...(range && { Range: range }), ...(IfMatch && { IfMatch }) }
  try {
    return await connection.send(name, signal, ({ client, sdk, abort }) =>
      client.send(new sdk.GetObjectCommand({ ...connection.at(name), ...fields }), abort)
    )
  } catch (error) {
    if (statusOf(error) === 416 && IfMatch === undefined) return undefined
    if (statusOf(error) !== 412) throw error
    throw new BackupError('IBT_STORE_FAILED', `${name} was replaced while it was read`, { path: name, cause: error })
  }
}

function cut(name: string, at: number, cause: unknown): BackupError {
  const message = `The server ended ${name} early at byte ${at}, ${S3_RESUMES + 1} times`
  return new BackupError('IBT_STORE_FAILED', message, { path: name, cause })
}
