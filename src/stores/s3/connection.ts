import type { S3Client } from '@aws-sdk/client-s3'
import { S3_CONNECT_MS } from '../../constants.js'
import { untilAbort } from '../../flow/abortable.js'
import { onAbort } from '../../flow/on-abort.js'
import { loadPeers, optional } from '../../peer.js'
import { explain } from './explain.js'
import type { CheckedOptions } from './options.js'

type Sdk = typeof import('@aws-sdk/client-s3')

/** What a request is sent with. */
interface Sending {
  readonly client: S3Client
  readonly sdk: Sdk
  readonly abort: { readonly abortSignal: AbortSignal }
}

/** A bucket, and the SDK that speaks to it: loaded at the first request. */
export class Connection {
  #opened: Promise<Omit<Sending, 'abort'>> | undefined

  constructor(readonly options: CheckedOptions) {}

  /** Where an object is. */
  at(name: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.options.bucket, Key: this.options.prefix + name }
  }

  /**
   * Sends a request, and again what failed for a reason that passes, as the SDK does. When it has been aborted, nothing
   * more is sent.
   *
   * @throws the signal's reason; BackupError with a hint where there is one; what the SDK throws
   */
  async send<T>(name: string, signal: AbortSignal | undefined, request: (sending: Sending) => Promise<T>): Promise<T> {
    const { client, sdk } = await this.#open()
    signal?.throwIfAborted()
    // The SDK listens once for each request: one listener on the signal of a run is enough.
    const controller = new AbortController()
    const stopListening = onAbort(signal, reason => controller.abort(reason))
    try {
      const abort = { abortSignal: controller.signal }
      // It may be waiting for its next attempt, which does not hear an abort.
      return await untilAbort(request({ client, sdk, abort }), signal)
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw explain(error, name, this.options)
    } finally {
      stopListening()
    }
  }

  #open(): Promise<Omit<Sending, 'abort'>> {
    const own = this.options.client as S3Client | undefined
    this.#opened ??= load().then(sdk => ({ sdk, client: own ?? makeClient(sdk, this.options) }))
    return this.#opened
  }
}

function load(): Promise<Sdk> {
  return loadPeers('s3:// stores', ['@aws-sdk/client-s3'], () => import('@aws-sdk/client-s3').catch(optional))
}

function makeClient(sdk: Sdk, options: CheckedOptions): S3Client {
  const { endpoint, pathStyle, attempts, timeoutMs, retryMode = 'standard', checksums } = options
  const region = options.region ?? (endpoint && (process.env.AWS_REGION || 'us-east-1'))
  const required = checksums === 'required' && 'WHEN_REQUIRED'
  return new sdk.S3Client({
    ...(region && { region }),
    ...(endpoint && { endpoint }),
    ...(required && { requestChecksumCalculation: required, responseChecksumValidation: required }),
    forcePathStyle: pathStyle,
    maxAttempts: attempts,
    retryMode,
    requestHandler: { connectionTimeout: Math.min(timeoutMs, S3_CONNECT_MS), socketTimeout: timeoutMs }
  })
}
