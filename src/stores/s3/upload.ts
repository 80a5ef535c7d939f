import { createHash } from 'node:crypto'
import type { CompletedPart } from '@aws-sdk/client-s3'
import { S3_ABORT_MS, S3_PARTS_MAX } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { abortable } from '../../flow/abortable.js'
import { onAbort } from '../../flow/on-abort.js'
import type { Connection } from './connection.js'
import { statusOf } from './explain.js'
import { headIfThere } from './head.js'
import { cutParts, type Part, PartBuffers } from './parts.js'

/** What the server is told of an object, beside its bytes. */
export type ObjectFields = Readonly<Record<string, string | undefined>>

/**
 * Stores the chunks as one object, which appears when it is whole: with one request if it fits into a part, else in
 * parts. If anything fails or is aborted, the server is told to forget the parts, after the last request has ended.
 *
 * Memory: `parallelParts` + 1 parts of `partBytes`; parts double after every `S3_PARTS_OF_A_SIZE`, since an object has
 * `S3_PARTS_MAX` at most.
 */
export async function upload(
  connection: Connection,
  name: string,
  chunks: AsyncIterable<Uint8Array>,
  fields: ObjectFields,
  signal: AbortSignal | undefined
): Promise<void> {
  const failed = new AbortController()
  const stopListening = onAbort(signal, reason => failed.abort(reason))
  const buffers = new PartBuffers(connection.options.partBytes)
  const parts = cutParts(abortable(chunks, failed.signal), buffers)
  try {
    const first = (await parts.next()).value!
    if (first.isLast) return await putWhole(connection, name, first.bytes, fields, failed.signal)
    await new MultipartUpload(connection, name, fields, failed, buffers).store(first, parts)
  } finally {
    stopListening()
    await parts.return(undefined)
  }
}

async function putWhole(
  connection: Connection,
  name: string,
  Body: Uint8Array,
  fields: ObjectFields,
  signal: AbortSignal
): Promise<void> {
  await connection.send(name, signal, ({ client, sdk, abort }) =>
    client.send(new sdk.PutObjectCommand({ ...connection.at(name), ...fields, Body }), abort)
  )
}

class MultipartUpload {
  readonly #running = new Set<Promise<void>>()
  readonly #completed: CompletedPart[] = []

  constructor(
    readonly connection: Connection,
    readonly name: string,
    readonly fields: ObjectFields,
    /** Ends the source and the other parts when a part fails. */
    readonly failed: AbortController,
    readonly buffers: PartBuffers
  ) {}

  async store(first: Part, more: AsyncIterable<Part>): Promise<void> {
    const upload = { ...this.connection.at(this.name), UploadId: await this.#begin() }
    try {
      this.#start(upload, 1, first)
      let number = 1
      for await (const part of more) {
        if (this.#running.size >= this.connection.options.parallelParts) await Promise.race(this.#running)
        this.failed.signal.throwIfAborted()
        this.#start(upload, ++number, part)
      }
      await Promise.all(this.#running)
      this.failed.signal.throwIfAborted()
      await this.#complete(upload)
    } catch (error) {
      const first = this.failed.signal.aborted ? this.failed.signal.reason : error
      this.failed.abort(first)
      await Promise.all(this.#running)
      await this.#forget(upload)
      throw first
    }
  }

  /** An abort waits for the answer: without its id, nobody can end the upload. */
  async #begin(): Promise<string> {
    const { name, connection, fields, failed } = this
    const { UploadId } = await connection.send(name, undefined, async ({ client, sdk }) => {
      const isChecked = (await client.config.requestChecksumCalculation()) === 'WHEN_SUPPORTED'
      const checksum = isChecked && { ChecksumAlgorithm: 'CRC32' as const }
      const abort = { abortSignal: afterAbort(failed.signal) }
      return client.send(
        new sdk.CreateMultipartUploadCommand({ ...connection.at(name), ...fields, ...checksum }),
        abort
      )
    })
    return UploadId!
  }

  /** Never rejects: what a part fails with is the reason of `failed`. */
  #start(upload: MultipartTarget, number: number, { bytes }: Part): void {
    const running = this.#send(upload, number, bytes)
      .catch(error => this.failed.abort(error))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async #send(upload: MultipartTarget, PartNumber: number, bytes: Buffer): Promise<void> {
    if (PartNumber > S3_PARTS_MAX) throw this.#tooLarge()
    const { name, connection, failed } = this
    const sent = await connection.send(name, failed.signal, ({ client, sdk, abort }) =>
      client.send(new sdk.UploadPartCommand({ ...upload, PartNumber, Body: bytes }), abort)
    )
    this.buffers.giveBack(bytes)
    const { ETag, ChecksumCRC32 } = sent
    this.#completed.push({ PartNumber, ETag, ...(ChecksumCRC32 && { ChecksumCRC32 }) })
  }

  async #complete(upload: MultipartTarget): Promise<void> {
    const Parts = this.#completed.sort((a, b) => a.PartNumber! - b.PartNumber!)
    const abort = { abortSignal: afterAbort(this.failed.signal) }
    try {
      await this.connection.send(this.name, undefined, ({ client, sdk }) =>
        client.send(new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }), abort)
      )
    } catch (error) {
      // An earlier attempt may have done it, and lost its answer.
      if (statusOf(error) !== 404 || !(await this.#isStored())) throw error
    }
  }

  /** Whether the object is the one of these parts: its ETag is the MD5 of theirs. */
  async #isStored(): Promise<boolean> {
    const hash = createHash('md5')
    for (const { ETag } of this.#completed) hash.update(Buffer.from(`${ETag}`.replaceAll('"', ''), 'hex'))
    const found = await headIfThere(this.connection, this.name, undefined)
    return found?.ETag === `"${hash.digest('hex')}-${this.#completed.length}"`
  }

  /** If it cannot be done now, `clean` of a later run does it. */
  async #forget(upload: MultipartTarget): Promise<void> {
    const late = AbortSignal.timeout(S3_ABORT_MS)
    const forgotten = this.connection.send(this.name, late, ({ client, sdk, abort }) =>
      client.send(new sdk.AbortMultipartUploadCommand(upload), abort)
    )
    await forgotten.catch(() => {})
  }

  #tooLarge(): BackupError {
    const message = `${this.name} has more than the ${S3_PARTS_MAX} parts that S3 takes: give larger parts (partBytes)`
    return new BackupError('IBT_STORE_FAILED', message, { path: this.name })
  }
}

interface MultipartTarget {
  readonly Bucket: string
  readonly Key: string
  readonly UploadId: string
}

/** Aborts a while after a signal does: time for an answer that says what was done. */
function afterAbort(signal: AbortSignal): AbortSignal {
  const late = new AbortController()
  onAbort(signal, reason => {
    setTimeout(() => late.abort(reason), S3_ABORT_MS).unref()
  })
  return late.signal
}
