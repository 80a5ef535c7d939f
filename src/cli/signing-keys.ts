import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { PlaceOptions } from '../places/options.js'
import type { ConfigValues } from './config.js'
import { describeError, UsageError } from './exit.js'

/** What signs, and whose signature counts. */
export interface SigningValues extends Pick<ConfigValues, 'configured'> {
  readonly signKey?: string
  readonly verifyKey?: string
}

/**
 * The keys in the files that are named. A private key that is encrypted needs IBT_SIGN_PASSPHRASE.
 *
 * @throws UsageError for a file that cannot be read, or is no key of Ed25519
 */
export function readSigningKeys(
  values: SigningValues,
  isSigned: boolean
): Pick<PlaceOptions, 'signKey' | 'verifyKeys'> {
  const signKey = isSigned ? (values.signKey ?? process.env.IBT_SIGN_KEY) : undefined
  const verifyKey = values.verifyKey ?? process.env.IBT_VERIFY_KEY
  const { configured } = values
  return {
    signKey: signKey ? readKey(signKey, decrypted) : isSigned ? configured?.signKey : undefined,
    verifyKeys: verifyKey ? [readKey(verifyKey, createPublicKey)] : configured?.verifyKeys
  }
}

function decrypted(key: Buffer): KeyObject {
  return createPrivateKey({ key, passphrase: process.env.IBT_SIGN_PASSPHRASE })
}

function readKey(path: string, make: (text: Buffer) => KeyObject): KeyObject {
  let key: KeyObject
  try {
    key = make(readFileSync(path))
  } catch (error) {
    throw new UsageError(`Cannot read the key ${path}: ${describeError(error)}`)
  }
  if (key.asymmetricKeyType === 'ed25519') return key
  throw new UsageError(`${path} is no key of Ed25519: make one with 'openssl genpkey -algorithm ed25519'`)
}
