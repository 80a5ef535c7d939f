import { checkCipher } from '../../codec/index.js'
import { CHUNK_BYTES } from '../../constants.js'
import { isBackupError } from '../../errors.js'
import type { Cipher, OpenedRange, ReadRange, Store, StoredName, StoreOptions } from '../../types.js'
import { defineStore } from '../define-store.js'
import { compareStoredNames, isNotFound } from '../stored-name.js'

/** Headers that `list` reads at a time. */
const HEADERS_AT_ONCE = 8
/** Names that stay open for ranges: each has a chunk of 64 KiB in memory. */
const OPEN_NAMES = 64

/**
 * A store whose contents another store has encrypted, each name with the cipher's suffix: for who cannot put `encrypt` into
 * the pipeline. Locks and proofs are encrypted, too. What is read and cached on this machine is plain text, and the digests
 * in states are of plain text: `encrypt` leaves less behind. Its id is another one than the store's.
 * `list` gives the sizes before encryption: it reads the header of each name that it has not seen yet, a small request
 * each, `HEADERS_AT_ONCE` at a time. Names without the suffix are not shown. Memory: all names of a list, and 4 MiB.
 *
 * @throws TypeError at the call for a cipher without ranges and sizes, such as that of a program.
 */
export function encrypted(store: Store, cipher: Cipher): Store {
  checkCipher(cipher)
  const { openRange, sizeOf, suffix } = cipher
  if (openRange === undefined || sizeOf === undefined)
    throw new TypeError(`encrypted: the cipher ${cipher.name} has no ranges; give it in the option encrypt`)
  const { places, create, retain, thaw, clean } = store
  const known = new Map<string, Known>()

  return defineStore({
    id: `${store.id} ${cipher.name}`,
    places,
    async put(name, chunks, options) {
      known.delete(name)
      const context = { name: name + suffix, signal: options.signal }
      await store.put(name + suffix, cipher.seal(chunks, context), options)
      known.delete(name)
    },
    async get(name, { start, end = Infinity }, options) {
      if (start === 0 && end === Infinity)
        return cipher.open(store.get(name + suffix, undefined, options), name + suffix)
      const found = known.get(name) ?? (await look(name, options))
      if (found === undefined) return undefined
      return slices(await opened(name, found), start, end)
    },
    async *list(prefix, options) {
      const listed: StoredName[] = []
      for await (const stored of store.list(prefix, options)) {
        if (stored.name.endsWith(suffix)) listed.push({ ...stored, name: stored.name.slice(0, -suffix.length) })
      }
      listed.sort((a, b) => compareStoredNames(a.name, b.name))
      for (let at = 0; at < listed.length; at += HEADERS_AT_ONCE) {
        options.signal?.throwIfAborted()
        const group = listed.slice(at, at + HEADERS_AT_ONCE)
        yield* (await Promise.all(group.map(stored => withSize(stored, options)))).flat()
      }
    },
    async delete(name, options) {
      known.delete(name)
      await store.delete(name + suffix, options)
    },
    ...(create && {
      async create(name, bytes, options) {
        const sealed: Uint8Array[] = []
        for await (const part of cipher.seal([bytes], { name: name + suffix })) sealed.push(part)
        return create.call(store, name + suffix, Buffer.concat(sealed), options)
      }
    }),
    ...(retain && { retain: (name, untilMs, options) => retain.call(store, name + suffix, untilMs, options) }),
    ...(thaw && { thaw: (name, options) => thaw.call(store, name + suffix, options) }),
    ...(clean && { clean: key => clean.call(store, key) })
  })

  /** With the size before encryption; nothing if the name has gone since. Of a damaged header, whoever reads it is told. */
  async function withSize(stored: StoredName, options: StoreOptions): Promise<StoredName[]> {
    const { name, sizeBytes: storedBytes } = stored
    const before = known.get(name)
    if (before?.storedBytes === storedBytes) return [{ ...stored, sizeBytes: before.sizeBytes }]
    try {
      const sizeBytes = await sizeOf!(rangesOf(name, options), storedBytes, name + suffix)
      known.set(name, { storedBytes, sizeBytes })
      return [{ ...stored, sizeBytes }]
    } catch (error) {
      if (isNotFound(error)) return []
      if (isBackupError(error) && error.code.startsWith('IBT_ARCHIVE_')) return [stored]
      throw error
    }
  }

  async function look(name: string, options: StoreOptions): Promise<Known | undefined> {
    for await (const stored of store.list(name + suffix, options)) {
      if (stored.name === name + suffix) await withSize({ ...stored, name }, options)
    }
    return known.get(name)
  }

  async function opened(name: string, found: Known): Promise<OpenedRange> {
    if (found.opened === undefined) {
      const open = [...known.values()].filter(one => one.opened !== undefined)
      if (open.length >= OPEN_NAMES) for (const one of open) delete one.opened
      found.opened = openRange!(rangesOf(name, {}), found.storedBytes, name + suffix)
      found.opened.catch(() => delete found.opened)
    }
    return found.opened
  }

  function rangesOf(name: string, options: StoreOptions): ReadRange {
    return async (start, end) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of store.get(name + suffix, { start, end }, options)) chunks.push(chunk)
      return Buffer.concat(chunks)
    }
  }
}

interface Known {
  readonly storedBytes: number
  readonly sizeBytes: number
  opened?: Promise<OpenedRange>
}

/** In memory of the reader's own. */
async function* slices({ sizeBytes, read }: OpenedRange, start: number, end: number) {
  const stop = Math.min(end, sizeBytes)
  for (let at = start; at < stop; at += CHUNK_BYTES)
    yield Uint8Array.from(await read(at, Math.min(stop, at + CHUNK_BYTES)))
}
