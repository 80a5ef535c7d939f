import { loadPeers } from '../peer.js'
import { unwrapByPassphrase } from './passphrase.js'
import type { Opener, SealedKey, Stanza } from './stanzas.js'

const NONCE_BYTES = 16
const TAG_BYTES = 16

/** Opens file keys; null where no section is for it. */
interface Identity {
  unwrapFileKey(stanzas: Stanza[]): Uint8Array | null | Promise<Uint8Array | null>
}

/** Wraps file keys in sections. */
interface Recipient {
  wrapFileKey(fileKey: Uint8Array): Stanza[] | Promise<Stanza[]>
}

interface Encrypter {
  addRecipient(recipient: string | Recipient): void
  encrypt(file: Uint8Array): Promise<Uint8Array>
}

interface Decrypter {
  addIdentity(identity: string | Identity): void
  decryptHeader(header: Uint8Array): Promise<Uint8Array>
}

/** What of age-encryption is used. Its own types name those of browsers, which Node's do not have. */
interface AgePackage {
  readonly Encrypter: new () => Encrypter
  readonly Decrypter: new () => Decrypter
}

/** A header for recipients of any kind. @throws BackupError IBT_PEER_MISSING; RangeError for what is not a recipient */
export async function makeByPackage(recipients: readonly string[]): Promise<SealedKey> {
  const { Encrypter } = await loadAge()
  const encrypter = new Encrypter()
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient)
    } catch (cause) {
      throw new RangeError(`'${recipient}' is not a recipient of age`, { cause })
    }
  }
  let fileKey = new Uint8Array(0)
  encrypter.addRecipient({
    wrapFileKey(key) {
      fileKey = Uint8Array.from(key)
      return []
    }
  })
  const empty = await encrypter.encrypt(new Uint8Array(0))
  // Behind the header stand a nonce and the empty payload, which is a tag.
  return { header: empty.subarray(0, -NONCE_BYTES - TAG_BYTES), fileKey }
}

/** Opens headers with identities of any kind. @throws BackupError IBT_PEER_MISSING; RangeError for a damaged identity */
export async function openerByPackage(identities: readonly string[], passphrase: string | undefined): Promise<Opener> {
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
  return async (_, header) => {
    let isUnmatched = false
    decrypter.addIdentity({
      unwrapFileKey() {
        isUnmatched = true
        return null
      }
    })
    try {
      return await decrypter.decryptHeader(header)
    } catch (error) {
      if (isUnmatched) return null
      throw error
    }
  }
}

function loadAge(): Promise<AgePackage> {
  return loadPeers(
    'Recipients and identities of age that age-keygen does not make',
    ['age-encryption'],
    () => import('age-encryption' as string) as Promise<AgePackage>
  )
}
