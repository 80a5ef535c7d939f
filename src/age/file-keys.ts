import { createHash, randomBytes } from 'node:crypto'
import { KEY_HINT, keyMissing } from '../codec/index.js'
import { corrupt } from '../codec/limits.js'
import { BackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import { type Encrypter, loadAge, type Stanza } from './age-package.js'
import { NONCE_BYTES } from './header.js'
import type { KeyLog } from './key-log.js'
import { unwrapByPassphrase, wrapByPassphrase } from './passphrase.js'
import { decodeSections, encodeSections, type Sections } from './sections.js'
import { FILE_KEY_BYTES } from './wrapped-key.js'
import {
  damagedIdentity,
  readIdentity,
  readRecipient,
  type SecretKey,
  unwrapByIdentity,
  wrapByRecipient
} from './x25519.js'

/** File keys that are remembered, so that no header is opened twice. */
const KEYS_REMEMBERED = 4096

/** What opens and makes headers. */
export interface Keys {
  readonly recipients: readonly string[]
  readonly identities: readonly string[]
  readonly passphrase: string | undefined
  readonly scryptLogN: number
  readonly log: KeyLog | undefined
}

/** The file keys of age files: made with a header, or read out of one. Memory: the keys of `KEYS_REMEMBERED` headers. */
export class FileKeys {
  readonly #opened = new Map<string, Promise<Uint8Array>>()
  #read: readonly (SecretKey | undefined)[] | undefined

  constructor(readonly keys: Keys) {}

  /** A new header with the nonce behind it, and its file key. That of a state or of signatures is remembered on disk. */
  async make(name: string | undefined): Promise<{ readonly start: Uint8Array; readonly fileKey: Uint8Array }> {
    const { log } = this.keys
    const { header, fileKey } = (await this.#makeHeader()) ?? (await this.#makeByPackage())
    if (log !== undefined && isRemembered(name)) await log.add(idOf(header), fileKey)
    return { start: Buffer.concat([header, randomBytes(NONCE_BYTES)]), fileKey }
  }

  /** Undefined if a recipient is none of age-keygen's. */
  async #makeHeader(): Promise<Made | undefined> {
    const { recipients, passphrase, scryptLogN } = this.keys
    const keys = recipients.map(readRecipient).filter(key => key !== undefined)
    if (keys.length < recipients.length) return undefined
    const fileKey = randomBytes(FILE_KEY_BYTES)
    const stanzas =
      keys.length > 0
        ? keys.map(key => wrapByRecipient(fileKey, key))
        : [await wrapByPassphrase(fileKey, passphrase!, scryptLogN)]
    return { header: encodeSections(stanzas, fileKey), fileKey }
  }

  async #makeByPackage(): Promise<Made> {
    const { Encrypter } = await loadAge()
    const encrypter = new Encrypter()
    for (const recipient of this.keys.recipients) addRecipient(encrypter, recipient)
    let fileKey = new Uint8Array(0)
    encrypter.addRecipient({
      wrapFileKey(key) {
        fileKey = Uint8Array.from(key)
        return []
      }
    })
    const empty = await encrypter.encrypt(new Uint8Array(0))
    // Behind the header stand a nonce and the empty payload, which is a tag.
    return { header: empty.subarray(0, empty.length - NONCE_BYTES - 16), fileKey }
  }

  /** The file key in a header. @throws BackupError IBT_KEY_MISSING, IBT_KEY_WRONG, IBT_ARCHIVE_CORRUPT, IBT_PEER_MISSING */
  open(header: Uint8Array, name: string): Promise<Uint8Array> {
    const id = idOf(header)
    let opening = this.#opened.get(id)
    if (opening === undefined) {
      opening = this.#open(header, id, name)
      opening.catch(() => this.#opened.delete(id))
      const [oldest] = this.#opened.keys()
      if (this.#opened.size >= KEYS_REMEMBERED) this.#opened.delete(oldest!)
      this.#opened.set(id, opening)
    }
    return opening
  }

  async #open(header: Uint8Array, id: string, name: string): Promise<Uint8Array> {
    const { identities, passphrase, log } = this.keys
    const logged = await log?.get(id)
    if (logged !== undefined) return logged
    if (identities.length === 0 && passphrase === undefined) throw noKey(name, log)
    const fileKey = await this.#unwrap(header, name)
    if (log !== undefined && isRemembered(name)) await log.add(id, fileKey)
    return fileKey
  }

  async #unwrap(header: Uint8Array, name: string): Promise<Uint8Array> {
    const { passphrase } = this.keys
    const keys = this.#identities
    let sections: Sections
    let fileKey: Uint8Array | null
    try {
      sections = decodeSections(header)
      fileKey = unwrapByIdentity(
        sections.stanzas,
        keys.filter(key => key !== undefined)
      )
      if (fileKey === null && passphrase !== undefined) fileKey = await unwrapByPassphrase(sections.stanzas, passphrase)
      if (fileKey !== null && !sections.isOf(fileKey)) throw new Error('it was changed')
    } catch (error) {
      throw unreadable(name, error)
    }
    if (fileKey === null && keys.includes(undefined)) fileKey = await this.#unwrapByPackage(header, name)
    if (fileKey === null) throw noneFits(name, sections.stanzas, this.keys)
    return fileKey
  }

  /** Undefined for each that is none of age-keygen's. */
  get #identities(): readonly (SecretKey | undefined)[] {
    this.#read ??= this.keys.identities.map((identity, i) => readIdentity(identity, `Identity ${i + 1}`))
    return this.#read
  }

  /** By the identities that are none of age-keygen's; null if none fits. */
  async #unwrapByPackage(header: Uint8Array, name: string): Promise<Uint8Array | null> {
    const { Decrypter } = await loadAge()
    const decrypter = new Decrypter()
    for (const [i, identity] of this.keys.identities.entries()) {
      try {
        decrypter.addIdentity(identity)
      } catch {
        // The cause would show the secret.
        throw damagedIdentity(`Identity ${i + 1}`)
      }
    }
    let isUnmatched = false
    decrypter.addIdentity({
      unwrapFileKey() {
        isUnmatched = true
        return null
      }
    })
    try {
      const fileKey = await decrypter.decryptHeader(header)
      if (fileKey.length !== FILE_KEY_BYTES) throw new Error('it has no file key')
      return fileKey
    } catch (error) {
      if (isUnmatched) return null
      throw unreadable(name, error)
    }
  }
}

interface Made {
  readonly header: Uint8Array
  readonly fileKey: Uint8Array
}

function unreadable(name: string, error: unknown): BackupError {
  return corrupt(name, `its age header cannot be read: ${(error as Error).message}`)
}

function addRecipient(encrypter: Encrypter, recipient: string): void {
  try {
    encrypter.addRecipient(recipient)
  } catch (cause) {
    throw new RangeError(`'${recipient}' is not a recipient of age`, { cause })
  }
}

/** Names a header for the log, and says nothing of its key. */
function idOf(header: Uint8Array): string {
  return createHash('sha256').update(header).digest('hex')
}

/** States and signatures: what the next increment reads. */
function isRemembered(name: string | undefined): boolean {
  const kind = name === undefined ? undefined : parseArtifactName(name)?.kind
  return kind === 'state' || kind === 'sigvault'
}

function noKey(name: string, log: KeyLog | undefined): BackupError {
  if (log === undefined) return keyMissing(name)
  const what = isRemembered(name)
    ? `the local state ${log.directory} does not have its key: it was lost, or is another machine's. ` +
      'A new full needs no key (ibt full); --identity FILE rebuilds the local state'
    : 'this machine can only write: to read it, give --identity FILE'
  return new BackupError('IBT_KEY_MISSING', `${name} is encrypted with age, and ${what}`, { path: name })
}

function noneFits(name: string, stanzas: readonly Stanza[], { identities, passphrase }: Keys): BackupError {
  const isForPassphrase = stanzas.some(({ args }) => args[0] === 'scrypt')
  if (isForPassphrase ? passphrase === undefined : identities.length === 0) {
    const what = isForPassphrase ? 'a passphrase' : 'recipients'
    const message = `${name} is encrypted with age to ${what}, and no key of that kind is given: ${KEY_HINT}`
    return new BackupError('IBT_KEY_MISSING', message, { path: name })
  }
  const what = isForPassphrase ? 'The passphrase is not that of' : 'None of the identities given opens'
  return new BackupError('IBT_KEY_WRONG', `${what} ${name}`, { path: name })
}
