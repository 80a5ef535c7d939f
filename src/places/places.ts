import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { realpath } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import { decodePath, encodePath } from '../path.js'
import { cachedStore } from '../stores/cached-store.js'
import { directoryStore } from '../stores/directory.js'
import { storeFromUrl } from '../stores/open-store.js'
import { isStoreUrl } from '../stores/store-url.js'
import { UNNAMED } from '../stores/stored-name.js'
import { tracedStore } from '../stores/traced-store.js'
import type { Store } from '../types.js'
import type { PlaceOptions } from './options.js'
import { openSigning } from './signing.js'

/** What names the store if nobody else does: `IBT_STORE`, or the ancestor's place, the directory for temporary files. */
export function defaultStorePath(): string {
  return process.env.IBT_STORE || temporaryStorePath()
}

export function temporaryStorePath(): string {
  return process.env.TMPDIR || process.env.TMP || tmpdir()
}

export function defaultCachePath(): string {
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache')
  return process.env.IBT_CACHE || join(base, 'incremental-backups-tools')
}

/** The store that a caller names: itself, a URL, or the path of a directory. Default: `defaultStorePath()`. @throws RangeError */
export function toStore(store: Store | string | undefined): Store {
  if (typeof store === 'object') return store
  const named = store ?? defaultStorePath()
  return isStoreUrl(named) ? storeFromUrl(named) : directoryStore(storePath(named))
}

export interface StorePathOptions {
  /** Whether the directory for temporary files stands in where no store is named. Default: true. */
  readonly allowTemporary?: boolean | undefined
}

/** Where the store is that a caller or `IBT_STORE` names, or neither. @throws RangeError */
export function storePath(store: string | undefined, { allowTemporary = true }: StorePathOptions = {}): string {
  if (store === undefined && !allowTemporary && !process.env.IBT_STORE)
    throw new RangeError('No store: give --store DIR|URL, set IBT_STORE, or use --temporary')
  return resolve(checkLocal('store', store ?? defaultStorePath()))
}

/**
 * Refuses what names another machine, and would become a directory of that name here: `s3://bucket`, `host:path`. What
 * is there already, or begins with `/` or `.`, is a path.
 *
 * @throws RangeError
 */
function checkLocal(what: string, path: string): string {
  checkNamed(what, path)
  const isRemote = /^[^/.][^/]*:/.test(path)
  if (!isRemote || existsSync(path)) return path
  throw new RangeError(`'${path}' is not a path on this machine: for a directory of that name, give './${path}'`)
}

/**
 * An empty path is the working directory to Node, and to a script most often a variable that is not set. `~/path` is what
 * a shell leaves of `--store=~/path`: it would become a directory named `~`.
 *
 * @throws RangeError
 */
export function checkNamed(what: string, path: string): string {
  if (path === '') throw new RangeError(`The path of the ${what} is empty`)
  if (/^~(?:\/|$)/.test(path) && !existsSync(path)) {
    throw new RangeError(`No shell has expanded ~ in the ${what} '${path}': give a path, or './${path}'`)
  }
  return path
}

/** The part of a cache that belongs to a store. */
export function toCache(cache: Store | string | false | undefined, store: Store): Store | undefined {
  if (cache === false) return undefined
  if (typeof cache === 'object') return cache
  // Nobody would ever find it again.
  if (store.id.startsWith(UNNAMED)) return undefined
  const id = /^[A-Za-z0-9_.-]{1,100}$/.test(store.id) ? store.id : createHash('sha256').update(store.id).digest('hex')
  return directoryStore(join(checkLocal('cache', cache ?? defaultCachePath()), id))
}

function toLocalState(localState: Store | string | undefined): Store | undefined {
  if (typeof localState !== 'string') return localState
  return directoryStore(checkLocal('local state', localState))
}

/** The store, its cache, and the two as one. */
export interface Places {
  readonly store: Store
  readonly cache: Store | undefined
  /** Copies of states and sigvaults that are kept, in place of the cache. */
  readonly localState: Store | undefined
  readonly cached: Store
  /** The store, and the cache for what it has already: nothing is fetched into it. */
  readonly peeked: Store
}

/** Where backups are, of the options of a run: for another run within it, which has to sign and to read as it does. */
export function placesOf(options: PlaceOptions): Required<PlaceOptions> {
  const { store, cache, codecs, localState, signKey, verifyKeys, unsigned, signal } = options
  return { store, cache, codecs, localState, signKey, verifyKeys, unsigned, signal }
}

/** @throws TypeError for keys that are none */
export function openPlaces(options: PlaceOptions): Places {
  const { store, cache, localState, cached, peeked } = openUnsigned(options)
  const signing = openSigning(options, store, localState ?? cache)
  if (signing === undefined) return { store, cache, localState, cached, peeked }
  return { store: signing(store), cache, localState, cached: signing(cached), peeked: signing(peeked) }
}

function openUnsigned(options: PlaceOptions): Places {
  const store = tracedStore(toStore(options.store))
  const localState = toLocalState(options.localState)
  if (localState !== undefined) {
    const cached = cachedStore(store, localState, { isKept: true })
    return { store, cache: undefined, localState, cached, peeked: cached }
  }
  const cache = toCache(options.cache, store)
  if (cache === undefined) return { store, cache, localState, cached: store, peeked: store }
  const peeked = cachedStore(store, cache, { fills: false })
  return { store, cache, localState, cached: cachedStore(store, cache), peeked }
}

/**
 * The directories of store and cache that lie inside a source or a destination, as paths below it: they are left out.
 *
 * @throws RangeError if it is one of them.
 */
export async function placesInside({ store, cache, localState }: Places, root: string): Promise<string[]> {
  const realRoot = await realPath(root)
  const inside: string[] = []
  for (const path of [store, cache, localState].flatMap(place => place?.places ?? [])) {
    const below = relative(realRoot, await realPath(path))
    if (below === '')
      throw new RangeError(`${path} contains backups or their cache: it cannot be a source or a destination`)
    const isOutside = below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)
    if (!isOutside) inside.push(below)
  }
  return inside
}

function realPath(path: string): Promise<string> {
  // Yarn's Plug'n'Play gives a string all the same.
  return realpath(encodePath(path), 'buffer').then(
    real => decodePath(Buffer.from(real)),
    () => path
  )
}
