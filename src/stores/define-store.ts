import { randomBytes } from 'node:crypto'
import { BackupError, isBackupError } from '../errors.js'
import { abortable } from '../flow/abortable.js'
import type { ByteRange, ListingOptions, Source, Store, StoredName, StoreOptions } from '../types.js'
import {
  checkChunk,
  checkListed,
  checkRange,
  checkSource,
  checkStoredName,
  checkUntil,
  notFound,
  UNNAMED,
  withinRange
} from './stored-name.js'

/** What a store of your own has to do. `defineStore` adds the rest of what `docs/stores.md` promises. */
export interface StoreDefinition {
  /** Tells this store from others, at every run: an address, a path. Without it nothing is cached on this machine. */
  readonly id?: string | undefined
  /** Absolute paths of directories on this machine that belong to the store. */
  readonly places?: readonly string[] | undefined
  /** Stores all chunks under the name. If the chunks end in an error, nothing must appear under it. */
  put(name: string, chunks: AsyncIterable<Uint8Array>, options: StoreOptions): Promise<unknown>
  /** Gives the bytes from `start` up to but not including `end`, which may lie behind the end. */
  get(
    name: string,
    range: ByteRange,
    options: StoreOptions
  ): Source<Uint8Array> | undefined | Promise<Source<Uint8Array> | undefined>
  /** Gives names that begin with the prefix, in the order of their bytes. Names that do not are left out. */
  list(prefix: string, options: ListingOptions): Source<StoredName> | Promise<Source<StoredName>>
  /** Removes a name. It may throw for one that is missing. */
  delete(name: string, options: StoreOptions): Promise<unknown>
  /** Stores the bytes if the name is free, and says whether it was: only if the store itself decides that. */
  create?(name: string, bytes: Uint8Array, options: StoreOptions): Promise<boolean>
  /** From now until a time (ms since 1970), `put` and `delete` of the name fail with `retained(name, untilMs)`. */
  retain?(name: string, untilMs: number, options: StoreOptions): Promise<unknown>
  /** Asks for a name to become readable that the list shows as `frozen`. */
  thaw?(name: string, options: StoreOptions): Promise<unknown>
  /** Removes what interrupted puts of a key have left beside what is listed. */
  clean?(key: string): Promise<number>
}

/**
 * Makes a store of a few functions, as a plain object: it checks names, ranges and chunks, aborts, and gives every error
 * a code. An error of `get` or `delete` means a missing name if it has the code `ENOENT`, the name `NoSuchKey` or the
 * status 404; so does undefined instead of a source. Memory: none of its own.
 *
 * @throws TypeError at the call if a function is missing.
 */
export function defineStore(definition: StoreDefinition): Store {
  for (const call of ['put', 'get', 'list', 'delete'] as const) {
    if (typeof definition?.[call] !== 'function') throw new TypeError(`defineStore: ${call} is not a function`)
  }
  const { id = `${UNNAMED}${randomBytes(8).toString('hex')}`, places, create, retain, thaw, clean } = definition
  return {
    id,
    ...(places && { places }),

    async put(name, source, { signal } = {}) {
      checkStoredName(name)
      checkSource(source)
      signal?.throwIfAborted()
      const watched = new WatchedSource(source, signal)
      try {
        await definition.put(name, watched.chunks, { signal })
      } catch (error) {
        throw watched.failure === undefined ? coded('write', name, error, signal) : watched.failure.error
      } finally {
        // It may be parked, and a store that did not take it does not justify waiting for it.
        watched.chunks.return().catch(() => {})
      }
      if (watched.failure !== undefined) throw watched.failure.error
      if (!watched.hasEnded) throw new BackupError('IBT_STORE_FAILED', `The store ended ${name} early`, { path: name })
    },

    get(name, range = { start: 0 }, { signal } = {}) {
      checkStoredName(name)
      checkRange(range)
      return read(definition, name, range, signal)
    },

    async *list(prefix = '', options = {}) {
      const { signal } = options
      signal?.throwIfAborted()
      try {
        for await (const stored of abortable(await definition.list(prefix, options), signal)) {
          checkListed(stored)
          if (stored.name.startsWith(prefix)) yield stored
        }
      } catch (error) {
        throw coded('list', prefix, error, signal)
      }
    },

    async delete(name, { signal } = {}) {
      checkStoredName(name)
      signal?.throwIfAborted()
      try {
        await definition.delete(name, { signal })
      } catch (error) {
        if (!isMissing(error)) throw coded('delete', name, error, signal)
      }
    },

    ...(create && {
      async create(name: string, bytes: Uint8Array, { signal }: StoreOptions = {}) {
        checkStoredName(name)
        checkChunk(bytes)
        signal?.throwIfAborted()
        try {
          return await create.call(definition, name, bytes, { signal })
        } catch (error) {
          throw coded('create', name, error, signal)
        }
      }
    }),
    ...(retain && {
      async retain(name: string, untilMs: number, { signal }: StoreOptions = {}) {
        checkStoredName(name)
        checkUntil(untilMs)
        signal?.throwIfAborted()
        try {
          await retain.call(definition, name, untilMs, { signal })
        } catch (error) {
          throw isMissing(error) ? notFound(name, error) : coded('retain', name, error, signal)
        }
      }
    }),
    ...(thaw && {
      async thaw(name: string, { signal }: StoreOptions = {}) {
        checkStoredName(name)
        signal?.throwIfAborted()
        try {
          await thaw.call(definition, name, { signal })
        } catch (error) {
          throw isMissing(error) ? notFound(name, error) : coded('thaw', name, error, signal)
        }
      }
    }),
    ...(clean && {
      async clean(key: string) {
        try {
          return await clean.call(definition, key)
        } catch (error) {
          throw coded('clean', key, error, undefined)
        }
      }
    })
  }
}

async function* read(
  definition: StoreDefinition,
  name: string,
  range: ByteRange,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  signal?.throwIfAborted()
  try {
    const source = await definition.get(name, range, { signal })
    if (source === undefined) throw notFound(name)
    for await (const chunk of withinRange(abortable(source, signal), name, range)) {
      checkChunk(chunk)
      yield chunk
    }
  } catch (error) {
    throw isMissing(error) ? notFound(name, error) : coded('read', name, error, signal)
  }
}

/** Checks chunks on their way to a store, and remembers whether it was they that failed. */
class WatchedSource {
  failure: { readonly error: unknown } | undefined
  hasEnded = false
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>

  constructor(source: Source<Uint8Array>, signal: AbortSignal | undefined) {
    this.chunks = this.#watch(source, signal)
  }

  async *#watch(source: Source<Uint8Array>, signal: AbortSignal | undefined) {
    try {
      for await (const chunk of abortable(source, signal)) {
        checkChunk(chunk)
        yield chunk
      }
      signal?.throwIfAborted()
      this.hasEnded = true
    } catch (error) {
      this.failure = { error }
      throw error
    }
  }
}

/** The error that a caller sees: an abort's reason and errors of this package as they are. */
function coded(action: string, name: string, error: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason
  if (isBackupError(error)) return error
  const what = name === '' ? 'the store' : name
  return new BackupError('IBT_STORE_FAILED', `Cannot ${action} ${what}`, { path: name, cause: error })
}

/** As file systems, S3 and HTTP say it. */
function isMissing(error: unknown): boolean {
  const { code, name, status, statusCode, $metadata } = Object(error) as Record<string, unknown>
  if (isBackupError(error)) return error.code === 'IBT_NOT_FOUND'
  const httpStatus = ($metadata as { readonly httpStatusCode?: unknown } | undefined)?.httpStatusCode
  return code === 'ENOENT' || name === 'NoSuchKey' || [status, statusCode, httpStatus].includes(404)
}
