import { createHash } from 'node:crypto'
import { KEY_HINT, keyMissing } from '../codec/index.js'
import { corrupt } from '../codec/limits.js'
import { BackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import { type Encrypter, loadAge, type Stanza } from './age-package.js'
import type { KeyLog } from './key-log.js'
import { unwrapByPassphrase, wrapByPassphrase } from './passphrase.js'

/** File keys that are remembered, so that no header is opened twice. */
const KEYS_REMEMBERED = 4096
const FILE_KEY_BYTES = 16

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
    const { recipients, passphrase, scryptLogN, log } = this.keys
    const { Encrypter, Stanza } = await loadAge()
    const encrypter = new Encrypter()
    for (const recipient of recipients) addRecipient(encrypter, recipient)
    let fileKey = new Uint8Array(0)
    encrypter.addRecipient({
      async wrapFileKey(key) {
        fileKey = Uint8Array.from(key)
        if (recipients.length > 0) return []
        const { args, body } = await wrapByPassphrase(key, passphrase!, scryptLogN)
        return [new Stanza(args, body)]
      }
    })
    const empty = await encrypter.encrypt(new Uint8Array(0))
    // Behind header and nonce stands the empty payload, which is a tag.
    const start = empty.subarray(0, empty.length - 16)
    const header = start.subarray(0, start.length - 16)
    if (log !== undefined && isRemembered(name)) await log.add(idOf(header), fileKey)
    return { start, fileKey }
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
    const { identities, passphrase } = this.keys
    const { Decrypter } = await loadAge()
    const decrypter = new Decrypter()
    for (const [i, identity] of identities.entries()) {
      try {
        decrypter.addIdentity(identity)
      } catch {
        // The cause would show the secret.
        throw new RangeError(`Identity ${i + 1} is not one of age: its text is damaged`)
      }
    }
    if (passphrase !== undefined)
      decrypter.addIdentity({ unwrapFileKey: stanzas => unwrapByPassphrase(stanzas, passphrase) })
    let unmatched: readonly Stanza[] | undefined
    decrypter.addIdentity({
      unwrapFileKey(stanzas) {
        unmatched = stanzas
        return null
      }
    })
    let fileKey: Uint8Array
    try {
      fileKey = await decrypter.decryptHeader(header)
    } catch (error) {
      if (unmatched !== undefined) throw noneFits(name, unmatched, this.keys)
      throw corrupt(name, `its age header cannot be read: ${(error as Error).message}`)
    }
    if (fileKey.length !== FILE_KEY_BYTES) throw corrupt(name, 'its age header has no file key')
    return fileKey
  }
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
