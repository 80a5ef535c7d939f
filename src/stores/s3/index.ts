import { parseArtifactName, parseRemovedName, parseSegmentName } from '../../format/names.js'
import type { Kind, Store } from '../../types.js'
import { defineStore } from '../define-store.js'
import { storeUrlId } from '../store-url.js'
import { isNameOf } from '../stored-name.js'
import { Connection } from './connection.js'
import { Creator } from './create.js'
import { endUploads } from './forgotten.js'
import { listObjects } from './list.js'
import { type CheckedOptions, checkOptions, type S3StoreOptions } from './options.js'
import { readObject } from './read.js'
import { Retention } from './retention.js'
import { thawObject } from './thaw.js'
import { type ObjectFields, upload } from './upload.js'
import { optionsOf } from './url.js'

export type { S3StoreOptions, SdkClient } from './options.js'

/**
 * A bucket of S3, or of a server that speaks its protocol, as a store: one object for each artifact. The AWS SDK finds the
 * credentials: in the environment, profiles, roles. `@aws-sdk/client-s3` is loaded at the first call.
 *
 * An object appears when it is whole. Requests that fail for a transient reason are sent again; a read goes on at the byte
 * where its connection broke. docs/stores.md says what locks, retention and cold archives need.
 *
 * Memory: for each put `parallelParts` + 1 parts of `partBytes`: 32 MiB by default, 160 MiB for five large artifacts at a
 * time; parts double after every 2,000 of one artifact. The names for each `list`.
 *
 * @throws TypeError, RangeError at the call for an option that cannot work
 */
export function s3Store(options: S3StoreOptions): Store {
  const checked = checkOptions(options)
  const connection = new Connection(checked)
  const creator = new Creator(connection)
  const retention = checked.objectLock && new Retention(connection, checked.objectLock)
  const checkRetained = (name: string, signal: AbortSignal | undefined) =>
    isAnyLock(name) ? undefined : retention?.check(name, signal)
  return defineStore({
    id: idOf(checked),

    async put(name, chunks, { signal }) {
      await checkRetained(name, signal)
      await upload(connection, name, chunks, fieldsOf(name, checked), signal)
    },

    get: (name, range, { signal }) => readObject(connection, name, range, signal),
    async list(prefix, { signal, withRetention = false }) {
      const listed = await listObjects(connection, prefix, signal)
      return withRetention && retention ? retention.of(listed, signal) : listed
    },

    async delete(name, { signal }) {
      await checkRetained(name, signal)
      await connection.send(name, signal, ({ client, sdk, abort }) =>
        client.send(new sdk.DeleteObjectCommand(connection.at(name)), abort)
      )
    },

    thaw: (name, { signal }) => thawObject(connection, name, signal),
    clean: key => endUploads(connection, `${key}.`, name => isNameOf(name, key)),
    ...(checked.conditionalCreate !== false && {
      create: (name, bytes, { signal }) => creator.create(name, bytes, fieldsOf(name, checked), signal)
    }),
    ...(retention && { retain: (name, untilMs, { signal }) => retention.retain(name, untilMs, signal) })
  })
}

/** The store that a URL names: `s3://bucket/prefix?endpoint=…&region=…&class.full=…`. @throws RangeError */
export function fromUrl(url: URL): Store {
  return s3Store(optionsOf(url))
}

/** Whether a name is that of a lock, of whatever key: a default retention of the bucket must not keep it for ever. */
function isAnyLock(name: string): boolean {
  return /\.lock(?:\.[0-9a-f]{16})*$/.test(name)
}

function idOf({ bucket, prefix, endpoint }: CheckedOptions): string {
  const url = new URL(`s3://${bucket}/${prefix.split('/').map(encodeURIComponent).join('/')}`)
  if (endpoint !== undefined) url.searchParams.set('endpoint', endpoint)
  return storeUrlId(url)
}

function fieldsOf(name: string, { storageClass, serverSideEncryption, kmsKey }: CheckedOptions): ObjectFields {
  const isState = (parseRemovedName(name) ?? parseSegmentName(name)) !== undefined
  const kind: Kind | undefined = isState ? 'state' : parseArtifactName(name)?.kind
  return {
    ContentType: 'application/octet-stream',
    ...(kind && storageClass[kind] && { StorageClass: storageClass[kind] }),
    ...(serverSideEncryption && { ServerSideEncryption: serverSideEncryption }),
    ...(kmsKey && { SSEKMSKeyId: kmsKey })
  }
}
