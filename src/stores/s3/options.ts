import { S3_ATTEMPTS, S3_PARALLEL_PARTS, S3_PART_BYTES, S3_STALLED_MS, S3_THAW_DAYS } from '../../constants.js'
import type { Kind } from '../../types.js'

/** How `s3Store` finds the bucket, and how it stores. */
export interface S3StoreOptions {
  readonly bucket: string
  /** The folder in the bucket, with or without slashes around it. Default: the bucket itself. */
  readonly prefix?: string | undefined
  /** Default: that of the AWS configuration; with an endpoint, `us-east-1`. */
  readonly region?: string | undefined
  /** URL of a server other than Amazon's. */
  readonly endpoint?: string | undefined
  /** Whether the bucket is in the path of URLs, not in the name of the host. Default: true with an endpoint. */
  readonly pathStyle?: boolean | undefined
  /** Bytes of one part of an upload, at least 5 MiB. An artifact up to this size takes one request. Default: 8 MiB. */
  readonly partBytes?: number | undefined
  /** Parts of one artifact that are under way at the same time. Default: 3. */
  readonly parallelParts?: number | undefined
  /** Storage class by kind, such as `{ full: 'DEEP_ARCHIVE' }`. Kinds that are not named have that of the bucket. */
  readonly storageClass?: Readonly<Partial<Record<Kind, string>>> | undefined
  /** Makes `retain` lock objects in this mode: the bucket has to have Object Lock. */
  readonly objectLock?: 'GOVERNANCE' | 'COMPLIANCE' | undefined
  /** Whether `create` exists: it needs a server with conditional writes (`If-None-Match`). Default: true. */
  readonly conditionalCreate?: boolean | undefined
  /** Days for which a thawed object can be read. Default: 7. */
  readonly thawDays?: number | undefined
  /** How fast, and how dearly, `thaw` is done. Default: `Standard`. */
  readonly thawTier?: 'Bulk' | 'Standard' | 'Expedited' | undefined
  /** How the server encrypts. Default: as the bucket says. */
  readonly serverSideEncryption?: 'AES256' | 'aws:kms' | 'aws:kms:dsse' | undefined
  /** Id or ARN of the key for `aws:kms`. */
  readonly kmsKey?: string | undefined
  /** Whether every part has a checksum, or only where S3 requires one: older servers refuse more. Default: `supported`. */
  readonly checksums?: 'supported' | 'required' | undefined
  /** How often a request is tried in all after transient errors. Default: 6. */
  readonly attempts?: number | undefined
  /** `adaptive` also sends less where the server asks for it. Default: `standard`. */
  readonly retryMode?: 'standard' | 'adaptive' | undefined
  /** Milliseconds after which a connection on which nothing moves is given up. Default: 120,000. */
  readonly timeoutMs?: number | undefined
  /** An `S3Client` of the SDK, in the place of all that says how to connect. */
  readonly client?: SdkClient | undefined
}

/** An `S3Client`: written so that these types need no SDK. */
export interface SdkClient {
  readonly config: object
  /** Sends a command. */
  readonly send: (...call: never[]) => unknown
}

/** Classes that cannot be read without a request that thaws first. */
export const COLD_CLASSES: readonly string[] = ['GLACIER', 'DEEP_ARCHIVE']

/** The smallest part that S3 takes, but for the last. */
const PART_BYTES_MIN = 5 * 1024 * 1024
const KINDS: readonly string[] = ['full', 'created', 'updated', 'sigvault', 'state'] satisfies Kind[]

/** Options with their defaults. */
export type CheckedOptions = ReturnType<typeof checkOptions>

/** @throws TypeError, RangeError for what is no bucket, or an option that no upload could succeed with */
export function checkOptions(options: S3StoreOptions) {
  const { bucket, prefix = '', endpoint, storageClass = {} } = options
  if (typeof bucket !== 'string' || !/^[a-zA-Z0-9][a-zA-Z0-9._-]{2,}$/.test(bucket)) {
    const rule = 'it has at least three letters, digits, dots and hyphens'
    throw new TypeError(`s3Store: not the name of a bucket: ${JSON.stringify(bucket)}; ${rule}`)
  }
  for (const [kind, name] of Object.entries(storageClass)) {
    if (!KINDS.includes(kind)) throw new RangeError(`s3Store: no kind of artifact: ${kind} (${KINDS.join(', ')})`)
    const isHot = kind === 'state' || kind === 'sigvault'
    if (isHot && COLD_CLASSES.includes(`${name}`))
      throw new RangeError(`s3Store: a ${kind} in ${name} could not be read by the next run: give it another class`)
  }
  const checked = {
    ...options,
    bucket,
    prefix: prefix.split('/').filter(Boolean).concat('').join('/'),
    pathStyle: options.pathStyle ?? endpoint !== undefined,
    partBytes: options.partBytes ?? S3_PART_BYTES,
    parallelParts: options.parallelParts ?? S3_PARALLEL_PARTS,
    storageClass,
    thawDays: options.thawDays ?? S3_THAW_DAYS,
    attempts: options.attempts ?? S3_ATTEMPTS,
    timeoutMs: options.timeoutMs ?? S3_STALLED_MS
  }
  const { partBytes, parallelParts, thawDays, attempts, timeoutMs } = checked
  for (const [name, value] of Object.entries({ partBytes, parallelParts, thawDays, attempts, timeoutMs })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new RangeError(`s3Store: ${name} is not a whole number above 0`)
  }
  if (partBytes < PART_BYTES_MIN) throw new RangeError(`s3Store: partBytes is less than ${PART_BYTES_MIN}`)
  return checked
}
