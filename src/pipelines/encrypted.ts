import { BackupError, isBackupError } from '../errors.js'
import { parseArtifactName } from '../format/names.js'
import type { Chain, StoredArtifact } from '../stores/chain.js'
import type { Cipher, Codec } from '../types.js'

/** Refuses to go on in plain text where the newest backup is encrypted. @throws BackupError IBT_NOT_ENCRYPTED */
export function checkPlain({ artifacts, newest, key }: Chain): void {
  const state = artifacts.find(({ kind, date }) => kind === 'state' && date === newest?.stateDate)
  if (state === undefined || !isEncrypted(state)) return
  const message = `The backups of ${key} are encrypted: give recipients (--encrypt), or another key for backups that are not`
  throw new BackupError('IBT_NOT_ENCRYPTED', message, { path: key })
}

function isEncrypted({ codec, name }: StoredArtifact): boolean {
  try {
    return codec().encrypted !== undefined
  } catch (error) {
    // That no key is given for it says enough.
    if (isBackupError(error)) return error.code === 'IBT_KEY_MISSING' && parseArtifactName(name) !== undefined
    throw error
  }
}

/** What a merge writes with. */
export interface Writing {
  readonly codec: Codec
  readonly cipher: Cipher | undefined
}

/**
 * The codec and the cipher that write what the readers of a backup can read. A backup that is encrypted is not merged to
 * plain text. With `dryRun` the cipher need not be able to write.
 *
 * @throws BackupError IBT_NOT_ENCRYPTED if the cipher that reads it cannot write.
 */
export function writingFor(
  read: Codec,
  given: { readonly codec: Codec | undefined; readonly cipher: Cipher | undefined },
  { key, dryRun = false }: { readonly key: string; readonly dryRun?: boolean | undefined }
): Writing {
  const { cipher: readCipher, inner = read } = read.encrypted ?? {}
  const codec = given.codec ?? inner
  if (given.cipher !== undefined || readCipher === undefined) return { codec, cipher: given.cipher }
  if (dryRun || (readCipher.seals ?? true)) return { codec, cipher: readCipher }
  const message = `The backups of ${key} are encrypted, and nothing is to be stored in plain text: give recipients (--encrypt)`
  throw new BackupError('IBT_NOT_ENCRYPTED', message, { path: key })
}
