import type { CompletedPart } from '@aws-sdk/client-s3'
import { S3_ABORT_MS, S3_PARTS_MAX, S3_PARTS_OF_A_SIZE } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { abortable } from '../../flow/abortable.js'
import { onAbort } from '../../flow/on-abort.js'
import type { Connection } from './connection.js'

/** What the server is told of an object, beside its bytes. */
export type ObjectFields = Readonly<Record<string, string | undefined>>

interface Part {
  readonly bytes: Uint8Array
  readonly isLast: boolean
}

/**
 * Stores the chunks as one object, which appears when it is whole: with one request if it fits into a part, else in
 * parts. If anything fails or is aborted, the server is told to forget the parts, after the last request has ended.
 *
 * Memory: `parallelParts` + 1 parts, each of `partBytes`, and of twice as much after every `S3_PARTS_OF_A_SIZE` parts: 10,000 parts
 * are all that an object can have.
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

  async #send(upload: MultipartTarget, PartNumber: number, bytes: Uint8Array): Promise<void> {
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
    await this.connection.send(this.name, undefined, ({ client, sdk }) =>
      client.send(new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }), abort)
    )
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

/** Memory of parts that is used again when the server has them. */
class PartBuffers {
  readonly #free: Buffer[] = []
  #sizeBytes: number
  #taken = 0

  constructor(partBytes: number) {
    this.#sizeBytes = partBytes
  }

  take(): Buffer {
    if (this.#taken++ === S3_PARTS_OF_A_SIZE) {
      this.#taken = 1
      this.#sizeBytes *= 2
      this.#free.length = 0
    }
    // Untouched, it is no memory yet.
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#sizeBytes)
  }

  giveBack(bytes: Uint8Array): void {
    if (bytes.length === this.#sizeBytes) this.#free.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  }
}

/** Parts as large as their buffers, and a last one that may be smaller, or empty if it is the only one. */
async function* cutParts(
  chunks: AsyncIterable<Uint8Array>,
  buffers: PartBuffers
): AsyncGenerator<Part, undefined, undefined> {
  let buffer = buffers.take()
  let length = 0
  for await (let chunk of chunks) {
    while (chunk.length > 0) {
      if (length === buffer.length) {
        yield { bytes: buffer, isLast: false }
        buffer = buffers.take()
        length = 0
      }
      const head = chunk.subarray(0, buffer.length - length)
      buffer.set(head, length)
      length += head.length
      chunk = chunk.subarray(head.length)
    }
  }
  yield { bytes: buffer.subarray(0, length), isLast: true }
}
