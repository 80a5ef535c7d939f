import type { _Object, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import type { StoredName } from '../../types.js'
import { compareStoredNames } from '../stored-name.js'
import type { Connection } from './connection.js'
import { COLD_CLASSES } from './options.js'

/**
 * The objects directly in the folder of the store whose names begin with a prefix, in the order of their bytes. S3 gives
 * them so; other servers, and directory buckets of S3, do not.
 *
 * Memory: all of them.
 */
export async function listObjects(
  connection: Connection,
  prefix: string,
  signal: AbortSignal | undefined
): Promise<readonly StoredName[]> {
  const found: StoredName[] = []
  const folder = connection.options.prefix
  let token: string | undefined
  // Asked for only where something is cold: other servers may not know it.
  let asksForThaws = false
  do {
    let page = await listPage(connection, prefix, token, asksForThaws, signal)
    if (!asksForThaws && page.Contents?.some(isCold)) {
      asksForThaws = true
      page = await listPage(connection, prefix, token, asksForThaws, signal)
    }
    for (const object of page.Contents ?? []) {
      const name = object.Key?.slice(folder.length)
      // What other programs put there.
      if (!name || name.startsWith('.') || name.includes('/')) continue
      const cold = isCold(object) && coldness(object)
      found.push({ name, sizeBytes: object.Size ?? 0, ...(cold && { cold }) })
    }
    token = page.IsTruncated ? page.NextContinuationToken : undefined
  } while (token !== undefined)
  return found.sort((a, b) => compareStoredNames(a.name, b.name))
}

function listPage(
  connection: Connection,
  prefix: string,
  token: string | undefined,
  asksForThaws: boolean,
  signal: AbortSignal | undefined
): Promise<ListObjectsV2CommandOutput> {
  const { Bucket, Key: Prefix } = connection.at(prefix)
  return connection.send('', signal, ({ client, sdk, abort }) => {
    const fields = {
      ...(token && { ContinuationToken: token }),
      ...(asksForThaws && { OptionalObjectAttributes: ['RestoreStatus' as const] })
    }
    return client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix, Delimiter: '/', ...fields }), abort)
  })
}

function isCold({ StorageClass }: _Object): boolean {
  return StorageClass !== undefined && COLD_CLASSES.includes(StorageClass)
}

function coldness({ RestoreStatus }: _Object): StoredName['cold'] {
  if (RestoreStatus?.IsRestoreInProgress) return 'thawing'
  return RestoreStatus?.RestoreExpiryDate === undefined ? 'frozen' : undefined
}
