import { stat } from 'node:fs/promises'
import { printPath } from '../path.js'
import { storePath } from '../pipelines/places.js'

/** Whether the directory is there that a command names as its store, or does not name. */
export function isStoreThere(store: string | undefined): Promise<boolean> {
  return stat(storePath(store)).then(
    () => true,
    () => false
  )
}

/** Where a command looks for backups, for people. */
export async function describeStore(store: string | undefined): Promise<string> {
  const path = printPath(storePath(store))
  return (await isStoreThere(store)) ? path : `${path}, which is not there`
}
