import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { BackupError } from '../../errors.js'
import type { Store, StoredName } from '../../types.js'
import { defineStore } from '../define-store.js'
import { checkStoredName, compareStoredNames } from '../stored-name.js'

const SECRET_BYTES_MIN = 16
const TAG_BYTES = 16

/**
 * A store whose names say nothing: each is encrypted, the same name always to the same text, so that whoever has the
 * store sees neither keys, kinds nor dates, only sizes and times. Contents stay as they are.
 * Names of up to 150 bytes fit. A list reads all names of the store, because none can be looked for by its beginning;
 * names that are not of this secret are left out. Its id is another one than the store's. What interrupted puts leave
 * beside what is listed is not cleaned, since the store cannot tell whose it is.
 * Memory: the names of the store.
 *
 * @throws RangeError for a secret of fewer than 16 bytes; BackupError IBT_NAME_INVALID later for a name that is too long
 */
export function opaqueNames(store: Store, secret: Uint8Array | string): Store {
  const bytes = Buffer.from(secret as string)
  if (bytes.length < SECRET_BYTES_MIN) throw new RangeError(`A secret has at least ${SECRET_BYTES_MIN} bytes`)
  const names = new NameCipher(bytes)
  const { places, create, retain, thaw } = store
  return defineStore({
    id: `${store.id} ${names.seal('id')}`,
    places,
    put: (name, chunks, options) => store.put(names.seal(name), chunks, options),
    get: (name, range, options) => store.get(names.seal(name), range, options),
    async list(prefix, options) {
      const found: StoredName[] = []
      for await (const stored of store.list('', options)) {
        const name = names.open(stored.name)
        if (name?.startsWith(prefix)) found.push({ ...stored, name })
      }
      return found.sort((a, b) => compareStoredNames(a.name, b.name))
    },
    delete: (name, options) => store.delete(names.seal(name), options),
    ...(create && { create: (name, content, options) => create.call(store, names.seal(name), content, options) }),
    ...(retain && { retain: (name, untilMs, options) => retain.call(store, names.seal(name), untilMs, options) }),
    ...(thaw && { thaw: (name, options) => thaw.call(store, names.seal(name), options) })
  })
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
    // Node decodes more texts than it writes: a letter too many at the end adds no byte
    const isWritten = stored === `n${bytes.toString('base64url')}`
    if (!isWritten || bytes.length <= TAG_BYTES) return undefined
    const tag = bytes.subarray(0, TAG_BYTES)
    const name = createDecipheriv('aes-256-ctr', this.#key, tag).update(bytes.subarray(TAG_BYTES)).toString()
    return timingSafeEqual(this.#tag(name), tag) ? name : undefined
  }

  #tag(name: string): Buffer {
    return createHmac('sha256', this.#macKey).update(name).digest().subarray(0, TAG_BYTES)
  }
}
