import type { Kind } from '../../types.js'
import type { S3StoreOptions } from './options.js'

type Write<T> = { -readonly [name in keyof T]: T[name] }

/** What the query of a URL may say, and how it is read. */
const PARAMETERS: Readonly<Record<string, (value: string) => Partial<S3StoreOptions>>> = {
  endpoint: endpoint => ({ endpoint }),
  region: region => ({ region }),
  pathStyle: value => ({ pathStyle: yesNo('pathStyle', value) }),
  partBytes: value => ({ partBytes: Number(value) }),
  parallelParts: value => ({ parallelParts: Number(value) }),
  objectLock: value => ({ objectLock: oneOf('objectLock', value, ['GOVERNANCE', 'COMPLIANCE']) }),
  conditionalCreate: value => ({ conditionalCreate: yesNo('conditionalCreate', value) }),
  thawDays: value => ({ thawDays: Number(value) }),
  thawTier: value => ({ thawTier: oneOf('thawTier', value, ['Bulk', 'Standard', 'Expedited']) }),
  serverSideEncryption: value => ({
    serverSideEncryption: oneOf('serverSideEncryption', value, ['AES256', 'aws:kms', 'aws:kms:dsse'])
  }),
  kmsKey: kmsKey => ({ kmsKey }),
  checksums: value => ({ checksums: oneOf('checksums', value, ['supported', 'required']) }),
  attempts: value => ({ attempts: Number(value) }),
  retryMode: value => ({ retryMode: oneOf('retryMode', value, ['standard', 'adaptive']) }),
  timeoutMs: value => ({ timeoutMs: Number(value) })
}

/** The options that a URL `s3://bucket/prefix?…` says. @throws RangeError for what it does not know */
export function optionsOf(url: URL): S3StoreOptions {
  if (url.username !== '')
    throw new RangeError('A URL of S3 has no user: credentials are those of the AWS configuration')
  if (url.host === '') throw new RangeError('A URL of S3 begins with the bucket: s3://bucket/prefix')
  const options: Write<S3StoreOptions> = { bucket: url.host, prefix: decodeURIComponent(url.pathname) }
  const storageClass: Partial<Record<Kind, string>> = {}
  for (const [name, value] of url.searchParams) {
    const kind = /^class\.(.+)$/.exec(name)?.[1]
    if (kind !== undefined) storageClass[kind as Kind] = value
    else if (Object.hasOwn(PARAMETERS, name)) Object.assign(options, PARAMETERS[name]!(value))
    else throw new RangeError(`s3: does not know '${name}': give ${Object.keys(PARAMETERS).join(', ')} or class.KIND`)
  }
  return { ...options, storageClass }
}

function yesNo(name: string, value: string): boolean {
  return oneOf(name, value, ['true', 'false']) === 'true'
}

function oneOf<const T extends string>(name: string, value: string, allowed: readonly T[]): T {
  if ((allowed as readonly string[]).includes(value)) return value as T
  throw new RangeError(`s3: ${name} is ${allowed.join(' or ')}, not '${value}'`)
}
