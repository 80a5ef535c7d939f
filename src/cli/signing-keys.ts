import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { PlaceOptions } from '../places/options.js'
import type { ConfigValues } from './config.js'
import { describeError, UsageError } from './exit.js'

/** What signs, and whose signature counts. */
export interface SigningValues extends Pick<ConfigValues, 'configured'> {
  readonly signKey?: string
  readonly verifyKey?: string
  readonly unsigned?: boolean
}

/**
 * The keys in the files that are named. A private key that is encrypted needs IBT_SIGN_PASSPHRASE.
 *
 * @throws UsageError for a file that cannot be read, or is no key of Ed25519; for `--unsigned` beside a key
 */
export function readSigningKeys(
  values: SigningValues,
  isSigned: boolean
): Pick<PlaceOptions, 'signKey' | 'verifyKeys' | 'unsigned'> {
  const { configured, unsigned } = values
  if (unsigned && values.signKey !== undefined) throw new UsageError('Give either --sign-key or --unsigned')
  const signs = isSigned && !unsigned
  const signKey = signs ? (values.signKey ?? process.env.IBT_SIGN_KEY) : undefined
  const verifyKey = values.verifyKey ?? process.env.IBT_VERIFY_KEY
  return {
    unsigned,
    signKey: signKey ? readKey(signKey, decrypted, PRIVATE) : signs ? configured?.signKey : undefined,
    verifyKeys: verifyKey ? [readKey(verifyKey, createPublicKey, 'a key in PEM')] : configured?.verifyKeys
  }
}

const PRIVATE = 'a private key in PEM, or IBT_SIGN_PASSPHRASE is not its passphrase'

function decrypted(key: Buffer): KeyObject {
  return createPrivateKey({ key, passphrase: process.env.IBT_SIGN_PASSPHRASE })
}

function readKey(path: string, make: (text: Buffer) => KeyObject, expected: string): KeyObject {
  let key: KeyObject
  try {
    key = make(readFileSync(path))
  } catch (error) {
    // OpenSSL says only that its decoders do not support it.
    const isRead = (error as NodeJS.ErrnoException).syscall === undefined
    throw new UsageError(isRead ? `${path} is not ${expected}` : `Cannot read the key ${path}: ${describeError(error)}`)
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new UsageError(`${path} is no key of Ed25519: make one with 'openssl genpkey -algorithm ed25519'`)
}
