import type { Connection } from './connection.js'

/** What the server answers for an object that is being thawed already, or is not in an archive. */
const NOTHING_TO_DO = new Set(['RestoreAlreadyInProgress', 'InvalidObjectState', 'ObjectAlreadyInActiveTierError'])

/** Asks the server to make an object readable for some days. It takes minutes to days; the list says when it is done. */
export async function thawObject(connection: Connection, name: string, signal: AbortSignal | undefined): Promise<void> {
  const { thawDays: Days, thawTier: Tier = 'Standard' } = connection.options
  const RestoreRequest = { Days, GlacierJobParameters: { Tier } }
  await connection.send(name, signal, async ({ client, sdk, abort }) => {
    try {
      await client.send(new sdk.RestoreObjectCommand({ ...connection.at(name), RestoreRequest }), abort)
    } catch (error) {
      if (!NOTHING_TO_DO.has((Object(error) as Error).name)) throw error
    }
  })
}
