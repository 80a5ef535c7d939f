import { loadPeers } from '../peer.js'

/** A section of an age header. */
export interface Stanza {
  readonly args: string[]
  readonly body: Uint8Array
}

/** Opens file keys; null where no section is for it. */
export interface Identity {
  unwrapFileKey(stanzas: Stanza[]): Uint8Array | null | Promise<Uint8Array | null>
}

/** Wraps file keys in sections. */
export interface Recipient {
  wrapFileKey(fileKey: Uint8Array): Stanza[] | Promise<Stanza[]>
}

export interface Encrypter {
  addRecipient(recipient: string | Recipient): void
  encrypt(file: Uint8Array): Promise<Uint8Array>
}

export interface Decrypter {
  addIdentity(identity: string | Identity): void
  decryptHeader(header: Uint8Array): Promise<Uint8Array>
}

/** What of age-encryption is used. Its own types name those of browsers, which Node's do not have. */
interface AgePackage {
  readonly Encrypter: new () => Encrypter
  readonly Decrypter: new () => Decrypter
  readonly Stanza: new (args: string[], body: Uint8Array) => Stanza
}

/** @throws BackupError IBT_PEER_MISSING */
export function loadAge(): Promise<AgePackage> {
  return loadPeers(
    'Backups that are encrypted with age',
    ['age-encryption'],
    () => import('age-encryption' as string) as Promise<AgePackage>
  )
}
