import { readFileSync } from 'node:fs'
import { printPath } from '../path.js'
import { toStore } from '../places/places.js'
import { decorateEach } from '../places/several-stores.js'
import { isOpaqueName, opaqueNames, parseNamesSecret } from '../stores/decorators/opaque-names.js'
import type { Store } from '../types.js'
import { describeError, UsageError } from './exit.js'

/** The file with the secret of a store's names. */
const SECRET_FILES = new WeakMap<Store, string>()

/** The store with names that are encrypted with the secret in a file. @throws UsageError, RangeError */
export function withOpaqueNames(store: Store | string, secretFile: string): Store {
  const secret = readSecret(secretFile)
  return decorateEach(store, one => {
    const hidden = opaqueNames(one, secret)
    SECRET_FILES.set(hidden, secretFile)
    return hidden
  })
}

/** The file with the secret that encrypts the names of a store; undefined: they are plain. */
export function secretFileOf(store: Store): string | undefined {
  return SECRET_FILES.get(store)
}

export async function hasOpaqueNames(store: Store | string): Promise<boolean> {
  for await (const { name } of toStore(store).list()) if (isOpaqueName(name)) return true
  return false
}

function readSecret(file: string): string {
  try {
    return parseNamesSecret(readFileSync(file, 'utf8'), printPath(file))
  } catch (error) {
    const isRead = (error as NodeJS.ErrnoException).syscall === undefined
    throw new UsageError(isRead ? (error as Error).message : `Cannot read the secret: ${describeError(error)}`)
  }
}
