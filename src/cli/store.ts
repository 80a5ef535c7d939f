import { stat } from 'node:fs/promises'
import { parseArtifactName } from '../format/names.js'
import { printPath } from '../path.js'
import { storePath, toStore } from '../pipelines/places.js'

const KEYS_SHOWN = 5

/** Whether the directory is there that a command names as its store, or does not name. */
export function isStoreThere(store: string | undefined): Promise<boolean> {
  return stat(storePath(store)).then(
    () => true,
    () => false
  )
}

/** Where a command looks for backups and whose there are, for people. */
export async function describeStore(store: string | undefined): Promise<string> {
  const path = printPath(storePath(store))
  if (!(await isStoreThere(store))) return `${path}, which is not there`
  const keys = new Set<string>()
  for await (const { name } of toStore(store).list()) {
    const key = parseArtifactName(name)?.key
    if (key !== undefined) keys.add(key)
  }
  const shown = [...keys].slice(0, KEYS_SHOWN)
  if (keys.size > KEYS_SHOWN) shown.push('…')
  return keys.size === 0 ? path : `${path}, which has ${shown.join(', ')}`
}
