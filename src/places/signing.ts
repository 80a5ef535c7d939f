import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { publicKeyOf } from '../format/manifest.js'
import { type SigningPlaces, signedStore } from '../stores/signed-store.js'
import { verifiedStore } from '../stores/verified-store.js'
import type { Store } from '../types.js'
import type { PlaceOptions, SigningKey } from './options.js'

/** What the keys of a caller make of the views of a store; undefined where there are none. @throws TypeError */
export function openSigning(
  { signKey, verifyKeys = [] }: PlaceOptions,
  store: Store,
  memory: Store | undefined
): ((view: Store) => Store) | undefined {
  if (signKey === undefined && verifyKeys.length === 0) return undefined
  const publicKeys = verifyKeys.map(toPublicKey)
  if (signKey === undefined) return view => verifiedStore(view, { store, memory, publicKeys })
  const places = signingPlaces(signKey, publicKeys, store, memory)
  return view => signedStore(verifiedStore(view, places), places)
}

/** Where manifests are signed. */
export function signingPlaces(
  signKey: SigningKey,
  publicKeys: readonly KeyObject[],
  store: Store,
  memory: Store | undefined
): SigningPlaces {
  const privateKey = typeof signKey === 'string' ? fromText('signKey', signKey, createPrivateKey) : signKey
  return { store, memory, privateKey, publicKeys: [...publicKeys, publicKeyOf(privateKey)] }
}

/** A private key will do, too. @throws TypeError */
export function toPublicKey(key: SigningKey): KeyObject {
  return publicKeyOf(typeof key === 'string' ? fromText('verifyKeys', key, createPublicKey) : key)
}

/** OpenSSL says only that its decoders do not support it, most often of the path of a key. @throws TypeError */
function fromText(option: string, text: string, make: (text: string) => KeyObject): KeyObject {
  try {
    return make(text)
  } catch (cause) {
    throw new TypeError(`${option} is not a key without a passphrase: give a KeyObject, or the text of a PEM file`, {
      cause
    })
  }
}
