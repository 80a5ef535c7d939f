import { createHash, randomBytes } from 'node:crypto'
import { KEY_HINT, keyMissing } from '../codec/index.js'
import { corrupt } from '../codec/limits.js'
import { BackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import { makeByPackage, openerByPackage } from './age-package.js'
import type { KeyLog } from './key-log.js'
import { unwrapByPassphrase, wrapByPassphrase } from './passphrase.js'
import {
  checkMac,
  decodeHeader,
  encodeHeader,
  FILE_KEY_BYTES,
  type Opener,
  type SealedKey,
  type Stanza
} from './stanzas.js'
import { unwrapByX25519, wrapByX25519, x25519Identity, x25519Recipient } from './x25519.js'

/** File keys that are remembered, so that no header is opened twice. */
const KEYS_REMEMBERED = 4096
/** The nonce of the payload comes behind the header. */
const NONCE_BYTES = 16

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

  constructor(readonly keys: Keys) {}

  /** A new header with the nonce behind it, and its file key. That of a state or of signatures is remembered on disk. */
  async make(name: string | undefined): Promise<{ readonly start: Uint8Array; readonly fileKey: Uint8Array }> {
    const { log } = this.keys
    const { header, fileKey } = await this.#make()
    if (log !== undefined && isRemembered(name)) await log.add(idOf(header), fileKey)
    return { start: Buffer.concat([header, randomBytes(NONCE_BYTES)]), fileKey }
  }

  async #make(): Promise<SealedKey> {
    const { recipients, passphrase, scryptLogN } = this.keys
    const own = allOf(recipients.map(x25519Recipient))
    if (own === undefined) return makeByPackage(recipients)
    const fileKey = randomBytes(FILE_KEY_BYTES)
    const stanzas =
      own.length > 0
        ? own.map(recipient => wrapByX25519(fileKey, recipient))
        : [await wrapByPassphrase(fileKey, passphrase!, scryptLogN)]
    return { header: encodeHeader(stanzas, fileKey), fileKey }
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
    const open = await this.#opener()
    let fileKey: Uint8Array | null
    let stanzas: Stanza[]
    try {
      stanzas = decodeHeader(header)
      fileKey = await open(stanzas, header)
      if (fileKey !== null) checkMac(header, fileKey)
    } catch (error) {
      throw corrupt(name, `its age header cannot be read: ${(error as Error).message}`)
    }
    if (fileKey === null) throw noneFits(name, stanzas, this.keys)
    return fileKey
  }

  async #opener(): Promise<Opener> {
    const { identities, passphrase } = this.keys
    const own = allOf(identities.map((identity, i) => x25519Identity(identity, `Identity ${i + 1}`)))
    if (own === undefined) return openerByPackage(identities, passphrase)
    return async stanzas =>
      unwrapByX25519(stanzas, own) ?? (passphrase === undefined ? null : unwrapByPassphrase(stanzas, passphrase))
  }
}

/** Undefined if one is missing. */
function allOf<T>(found: readonly (T | undefined)[]): readonly T[] | undefined {
  return found.includes(undefined) ? undefined : (found as readonly T[])
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
