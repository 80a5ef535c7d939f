import type { Arrived } from '../../bundle/arrived.js'
import { Staging } from '../../bundle/staging.js'
import { parseArtifactName } from '../../format/names.js'
import { whileLocked } from '../../lifecycle/locked.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import type { PlaceOptions } from '../../places/options.js'
import { openPlaces } from '../../places/places.js'
import { listStored } from '../../stores/backup-names.js'

/** What the store has of the backups of a key, whole or waiting, for `exportBackups`. */
export async function listArrived(key: string, options: PlaceOptions = {}): Promise<Arrived> {
  const { signal } = options
  const { store } = openPlaces(options)
  const stored = await listStored(store, `${key}.`, { signal })
  const whole = stored.filter(({ name }) => parseArtifactName(name)?.key === key)
  const names = new Set(whole.map(({ name }) => name))
  const waiting = new Staging(store, key, stored, { signal }).artifacts.filter(({ name }) => !names.has(name))
  return { key, artifacts: [...whole, ...waiting] }
}

/** Deletes what has arrived of a key and waits for the rest. Resolves to the number of artifacts. @throws BackupError IBT_LOCKED */
export function discardArrived(key: string, options: LockedOptions = {}): Promise<number> {
  const { signal } = options
  const places = openPlaces(options)
  return whileLocked(places, key, options, async check => {
    const staging = new Staging(places.store, key, await listStored(places.store, `${key}.`, { signal }), { signal })
    const { artifacts } = staging
    for (const { name } of artifacts) {
      await check()
      await staging.drop(name)
    }
    return artifacts.length
  })
}
