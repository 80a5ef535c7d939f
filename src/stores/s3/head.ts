import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { Connection } from './connection.js'
import { statusOf } from './explain.js'

/** What the server says of an object. @throws an error with the status 404 if there is none */
export function headObject(
  connection: Connection,
  name: string,
  signal: AbortSignal | undefined
): Promise<HeadObjectCommandOutput> {
  return connection.send(name, signal, ({ client, sdk, abort }) =>
    client.send(new sdk.HeadObjectCommand(connection.at(name)), abort)
  )
}

/** As `headObject`; undefined if there is no such object. */
export async function headIfThere(
  connection: Connection,
  name: string,
  signal: AbortSignal | undefined
): Promise<HeadObjectCommandOutput | undefined> {
  try {
    return await headObject(connection, name, signal)
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}
