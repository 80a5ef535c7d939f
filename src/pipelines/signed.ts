import { BackupError } from '../errors.js'
import type { PlaceOptions } from '../places/options.js'
import { isManifestName } from '../stores/manifests.js'
import type { StoredName } from '../types.js'

/** Refuses to change what is signed without the key that signs it. @throws BackupError IBT_SIGN_KEY_MISSING */
export function checkSigner(stored: readonly StoredName[], key: string, { signKey, unsigned }: PlaceOptions): void {
  if (signKey !== undefined || unsigned || !stored.some(({ name }) => isManifestName(name, key))) return
  throw signKeyMissing(key, `The backups of ${key} are signed`)
}

export function signKeyMissing(key: string, why: string): BackupError {
  const message = `${why}: give the key that signs them (--sign-key), or --unsigned to do without and sign later (ibt sign)`
  return new BackupError('IBT_SIGN_KEY_MISSING', message, { path: key })
}
