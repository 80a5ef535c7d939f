import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { publicKeyOf } from '../format/manifest.js'
import { type SigningPlaces, signedStore } from '../stores/signed-store.js'
import { verifiedStore } from '../stores/verified-store.js'
import type { Store } from '../types.js'
import type { PlaceOptions, SigningKey } from './options.js'

/** What the keys of a caller make of the views of a store; undefined where there are none. @throws as `node:crypto` does */
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
  const privateKey = typeof signKey === 'string' ? createPrivateKey(signKey) : signKey
  return { store, memory, privateKey, publicKeys: [...publicKeys, publicKeyOf(privateKey)] }
}

/** A private key will do, too. */
function toPublicKey(key: SigningKey): KeyObject {
  return publicKeyOf(typeof key === 'string' ? createPublicKey(key) : key)
}
