import { stat } from 'node:fs/promises'
import { parseArtifactName } from '../format/names.js'
import { printPath } from '../path.js'
import type { PlaceOptions } from '../places/options.js'
import { temporaryStorePath, toStore } from '../places/places.js'
import { severalStores } from '../places/several-stores.js'
import { isNotFound } from '../stores/stored-name.js'
import type { Store } from '../types.js'
import { checkText } from './arguments.js'
import { type CatchUpValues, sayBehind } from './behind.js'
import type { ConfigValues } from './config.js'
import { UsageError } from './exit.js'
import { hasOpaqueNames, withOpaqueNames } from './opaque-names.js'

const KEYS_SHOWN = 5

/** What names the store on the command line. */
export interface StoreValues extends CatchUpValues, Pick<ConfigValues, 'configured'> {
  readonly store?: readonly string[]
  /** How many of several stores have to store. */
  readonly quorum?: number
  readonly quiet?: boolean | undefined
  readonly temporary?: boolean
  readonly opaqueNames?: string
}

/** The store that was asked for: backups go nowhere by default. @throws UsageError */
export function chooseStore(values: StoreValues): Store | string {
  const store = namedStore(values)
  const secretFile = secretOf(store, values)
  return secretFile === undefined ? store : withOpaqueNames(store, secretFile)
}

/** Whether the names in the store are encrypted. @throws UsageError */
export function hasSecretNames(values: StoreValues): boolean {
  return secretOf(namedStore(values), values) !== undefined
}

/** The config knows only the names in the store that it names itself. */
function secretOf(store: Store | string, { opaqueNames, configured }: StoreValues): string | undefined {
  const ofConfig = store === configured?.store ? configured?.opaqueNames : undefined
  return opaqueNames ?? (process.env.IBT_OPAQUE_NAMES_FILE || ofConfig)
}

/** @throws UsageError */
function namedStore(values: StoreValues): Store | string {
  const { store: typed = [], quorum, quiet, temporary = false, configured } = values
  if (temporary && typed.length > 0) throw new UsageError('Give either --store or --temporary')
  if (quorum !== undefined && typed.length < 2) throw new UsageError('--quorum is for several stores: repeat --store')
  if (temporary) return temporaryStorePath()
  if (typed.length > 1) {
    for (const path of typed) checkText('the store', path)
    return severalStores(typed, { quorum, onBehind: quiet ? undefined : sayBehind(values) })
  }
  const named = typed[0] ?? (process.env.IBT_STORE || configured?.store)
  if (named === undefined) {
    throw new UsageError('No store: give --store DIR|URL or set IBT_STORE (or --temporary, to try it out)')
  }
  return typeof named === 'string' ? checkText('the store', named) : named
}

/** Whether the store is there that a command names: a directory, or what answers a list. */
export async function isStoreThere(named: Store | string): Promise<boolean> {
  const store = toStore(named)
  const [place] = store.places ?? []
  try {
    if (place !== undefined) await stat(place)
    else for await (const _ of store.list()) break
    return true
  } catch (error) {
    if (place === undefined && !isNotFound(error)) throw error
    return false
  }
}

/** The keys of a store, sorted. */
export async function keysOf({ store, signal }: PlaceOptions): Promise<readonly string[]> {
  const keys = new Set<string>()
  for await (const { name } of toStore(store).list('', { signal })) {
    const key = parseArtifactName(name)?.key
    if (key !== undefined) keys.add(key)
  }
  return [...keys].sort()
}

/** Where a command looks for backups and whose there are, for people. */
export async function describeStore(store: Store | string): Promise<string> {
  const { id, places } = toStore(store)
  const path = printPath(places?.[0] ?? id)
  if (!(await isStoreThere(store))) return `${path}, which is not there`
  const keys = await keysOf({ store })
  if (keys.length === 0 && (await hasOpaqueNames(store)))
    return `${path}, whose names are encrypted: --opaque-names FILE reads them`
  const shown = keys.slice(0, KEYS_SHOWN)
  if (keys.length > KEYS_SHOWN) shown.push('…')
  return keys.length === 0 ? path : `${path}, which has ${shown.join(', ')}`
}
