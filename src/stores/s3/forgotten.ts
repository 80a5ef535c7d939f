import type { MultipartUpload } from '@aws-sdk/client-s3'
import type { Connection } from './connection.js'
import { statusOf } from './explain.js'

/** The server does not have the call, or the user not the right: the next backup does not fail for that. */
const REFUSED: readonly number[] = [403, 405, 501]

/** Ends uploads that nobody has ended, of names that are asked for. Resolves to how many there were. */
export async function endUploads(
  connection: Connection,
  prefix: string,
  isWanted: (name: string) => boolean
): Promise<number> {
  const found = await listUploads(connection, prefix).catch(error => {
    if (REFUSED.includes(statusOf(error)) || REFUSED.includes(statusOf(Object(error).cause))) return []
    throw error
  })
  let ended = 0
  for (const { Key = '', UploadId } of found) {
    const name = Key.slice(connection.options.prefix.length)
    if (!isWanted(name)) continue
    await connection.send(name, undefined, ({ client, sdk, abort }) =>
      client.send(new sdk.AbortMultipartUploadCommand({ ...connection.at(name), UploadId }), abort)
    )
    ended++
  }
  return ended
}

/** Memory: all of them. */
async function listUploads(connection: Connection, prefix: string): Promise<MultipartUpload[]> {
  const { Bucket, Key: Prefix } = connection.at(prefix)
  const uploads: MultipartUpload[] = []
  let from: { readonly KeyMarker?: string; readonly UploadIdMarker?: string } | undefined = {}
  while (from !== undefined) {
    const marker: object = from
    const page = await connection.send('', undefined, ({ client, sdk, abort }) =>
      client.send(new sdk.ListMultipartUploadsCommand({ Bucket, Prefix, ...marker }), abort)
    )
    uploads.push(...(page.Uploads ?? []))
    const { NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page
    from = page.IsTruncated ? { ...(KeyMarker && { KeyMarker }), ...(UploadIdMarker && { UploadIdMarker }) } : undefined
  }
  return uploads
}
