import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { BackupError } from '../../errors.js'
import { parseArtifactName } from '../../format/names.js'
import { printPath } from '../../path.js'
import type { Store, StoredName } from '../../types.js'
import { defineStore } from '../define-store.js'
import { checkStoredName, compareStoredNames } from '../stored-name.js'

const SECRET_BYTES_MIN = 16
const TAG_BYTES = 16
const KEY_LENGTH_MAX = 50
/** What the shortest name of an artifact becomes. */
const ARTIFACT = /^n(?=.*[a-z])(?=.*[A-Z])(?=.*\d)[\w-]{61,}$/

/** Options of `opaqueNames`. */
export interface OpaqueNamesOptions {
  /** The store has other backups, too: under plain names, or those of another secret. Default: that is an error. */
  readonly shared?: boolean | undefined
}

/**
 * A store whose names say nothing: each is encrypted, the same name always to the same text, so that whoever has the
 * store sees neither keys, kinds nor dates, only sizes and times. Contents stay as they are.
 * Names of up to 150 bytes fit, so a key has at most 50. A list reads all names of the store, because none can be looked for by its beginning;
 * names that are not of this secret are left out. If that leaves nothing of a store with backups, the secret is a wrong
 * one, and the list fails. Its id is another one than the store's. What interrupted puts leave
 * beside what is listed is not cleaned, since the store cannot tell whose it is.
 * Memory: the names of the store.
 *
 * @throws RangeError for a secret of fewer than 16 bytes; later BackupError IBT_NAME_INVALID for a name that is too long,
 * and IBT_OPAQUE_NAMES
 */
export function opaqueNames(store: Store, secret: Uint8Array | string, options: OpaqueNamesOptions = {}): Store {
  const { shared = false } = options
  const bytes = Buffer.from(secret as string)
  if (bytes.length < SECRET_BYTES_MIN) throw new RangeError(`A secret has at least ${SECRET_BYTES_MIN} bytes`)
  const names = new NameCipher(bytes)
  const { places, create, retain, thaw } = store
  return defineStore({
    id: `${store.id} ${names.seal('id')}`,
    places,
    async put(name, chunks, options) {
      checkLength(name)
      await store.put(names.seal(name), chunks, options)
    },
    get: (name, range, options) => store.get(names.seal(name), range, options),
    async list(prefix, options) {
      const found: StoredName[] = []
      let hasOwn = false
      let other: string | undefined
      for await (const stored of store.list('', options)) {
        const name = names.open(stored.name)
        if (name === undefined) {
          if (isOpaqueName(stored.name) || parseArtifactName(stored.name) !== undefined) other ??= stored.name
          continue
        }
        // A run locks before it lists.
        hasOwn ||= !LOCK.test(name)
        if (name.startsWith(prefix)) found.push({ ...stored, name })
      }
      if (!shared && !hasOwn && other !== undefined) throw notOfSecret(other, store)
      return found.sort((a, b) => compareStoredNames(a.name, b.name))
    },
    delete: (name, options) => store.delete(names.seal(name), options),
    ...(create && { create: (name, content, options) => create.call(store, names.seal(name), content, options) }),
    ...(retain && { retain: (name, untilMs, options) => retain.call(store, names.seal(name), untilMs, options) }),
    ...(thaw && { thaw: (name, options) => thaw.call(store, names.seal(name), options) })
  })
}

/** The secret that is the text of a file, without blanks and line ends around it. @throws RangeError if it is too short */
export function parseNamesSecret(text: string, file: string): string {
  const secret = text.trim()
  if (Buffer.byteLength(secret) >= SECRET_BYTES_MIN) return secret
  throw new RangeError(
    `The secret in ${file} has fewer than ${SECRET_BYTES_MIN} bytes: make one with 'openssl rand -base64 32'`
  )
}

/** Whether a name looks as if it was that of an artifact before it was encrypted, with whatever secret. */
export function isOpaqueName(name: string): boolean {
  return ARTIFACT.test(name) && isWritten(name)
}

/** Node decodes more texts than it writes: a letter too many at the end adds no byte. */
function isWritten(name: string): boolean {
  return name === `n${Buffer.from(name.slice(1), 'base64url').toString('base64url')}`
}

/** A state that is removed later gets a longer name. @throws BackupError IBT_NAME_INVALID */
function checkLength(name: string): void {
  const key = parseArtifactName(name)?.key
  if (key === undefined || key.length <= KEY_LENGTH_MAX) return
  const message = `The key ${key} is too long for names that are encrypted: it may have ${KEY_LENGTH_MAX} bytes`
  throw new BackupError('IBT_NAME_INVALID', message, { path: key })
}

const LOCK = /\.lock(?:\.[0-9a-f]{16})*$/

function notOfSecret(name: string, { places, id }: Store): BackupError {
  const what = isOpaqueName(name) ? 'encrypted with another secret' : 'plain names'
  const way = isOpaqueName(name) ? 'give the right secret' : 'do without a secret (--opaque-names)'
  const message = `The names of the backups in ${printPath(places?.[0] ?? id)} are ${what}: ${way}, or give another store`
  return new BackupError('IBT_OPAQUE_NAMES', message, { path: name })
}

/** Encrypts names with a tag of their own as the nonce: who changes a letter of one gets none. */
class NameCipher {
  readonly #macKey: Buffer
  readonly #key: Buffer

  constructor(secret: Uint8Array) {
    const derived = Buffer.from(hkdfSync('sha256', secret, '', 'incremental-backups-tools names', 64))
    this.#macKey = derived.subarray(0, 32)
    this.#key = derived.subarray(32)
  }

  /** @throws BackupError IBT_NAME_INVALID */
  seal(name: string): string {
    const tag = this.#tag(name)
    const cipher = createCipheriv('aes-256-ctr', this.#key, tag)
    const sealed = Buffer.concat([tag, cipher.update(name, 'utf8')]).toString('base64url')
    try {
      checkStoredName(`n${sealed}`)
    } catch (cause) {
      throw new BackupError('IBT_NAME_INVALID', `${name} is too long to be encrypted`, { path: name, cause })
    }
    return `n${sealed}`
  }

  open(stored: string): string | undefined {
    const bytes = Buffer.from(stored.slice(1), 'base64url')
    if (!isWritten(stored) || bytes.length <= TAG_BYTES) return undefined
    const tag = bytes.subarray(0, TAG_BYTES)
    const name = createDecipheriv('aes-256-ctr', this.#key, tag).update(bytes.subarray(TAG_BYTES)).toString()
    return timingSafeEqual(this.#tag(name), tag) ? name : undefined
  }

  #tag(name: string): Buffer {
    return createHmac('sha256', this.#macKey).update(name).digest().subarray(0, TAG_BYTES)
  }
}
