import type { Manifest } from '../../format/manifest.js'
import { decodeManifest } from '../../format/manifest.js'
import { parseArtifactName } from '../../format/names.js'
import { toPublicKey } from '../../places/signing.js'
import { isManifestName, missingStates, readManifestBytes } from '../../stores/manifests.js'
import type { Store, StoredName } from '../../types.js'
import { signKeyMissing } from '../signed.js'
import type { CopyOptions } from './copy.js'

/** A store, and what it lists. */
export interface Listed {
  readonly store: Store
  readonly stored: readonly StoredName[]
}

/** What becomes of the signature of the copies. */
export interface CopiedManifest {
  /** False if the source is signed, and what is copied will not be. */
  readonly isSigned: boolean
  /** Stores the manifest of the source, if the other store is to have it. It comes last. */
  readonly put: () => Promise<void>
}

/**
 * Takes the manifest of the source along, byte for byte: it is true of the other store, too, if that has all states which
 * it requires then, and none that only its own manifest has signed.
 * Who signed it is checked if `verifyKeys` are given, else by whoever reads the copies.
 *
 * @throws BackupError IBT_SIGN_KEY_MISSING if the other store is signed, and would have states that are not;
 * IBT_MANIFEST_INVALID
 */
export async function planManifest(
  key: string,
  from: Listed,
  to: Listed,
  missing: readonly { readonly name: string }[],
  options: CopyOptions
): Promise<CopiedManifest> {
  const own = newestOf(from, key)
  const other = newestOf(to, key)
  const isSigned = options.signKey !== undefined || (own === undefined && other === undefined)
  if (isSigned || options.unsigned) return { isSigned, put: async () => {} }
  const { signal } = options
  const read = async ({ store }: Listed, name: string) => {
    const bytes = await readManifestBytes(store, name, { signal })
    return { bytes, manifest: decodeManifest(bytes, name, key, options.verifyKeys?.map(toPublicKey)) }
  }
  const there = other === undefined ? undefined : (await read(to, other)).manifest
  const names = new Set([...to.stored, ...missing].map(({ name }) => name))
  if (own !== undefined && own !== other) {
    const { bytes, manifest } = await read(from, own)
    if (isTrueOf(manifest, there, names)) {
      const put = async () => {
        await to.store.put(own, [bytes], { signal })
        for (const { name } of to.stored) if (isManifestName(name, key)) await to.store.delete(name, { signal })
      }
      return { isSigned: true, put }
    }
  }
  if (there === undefined) return { isSigned: false, put: async () => {} }
  const signed = new Set(there.artifacts.map(({ name }) => name))
  if (missing.every(({ name }) => !isState(name) || signed.has(name))) return { isSigned: true, put: async () => {} }
  throw signKeyMissing(
    key,
    `The backups of ${key} in the other store are signed, and not those alone that are to be copied`
  )
}

/** Whether a manifest is right for a store of these names, which had another one before. */
function isTrueOf({ artifacts, sequence, date }: Manifest, before: Manifest | undefined, names: Set<string>): boolean {
  if (missingStates(artifacts, names).length > 0) return false
  if (before === undefined) return true
  const signed = new Set(artifacts.map(({ name }) => name))
  const isLater = sequence > before.sequence && date > before.date
  return isLater && before.artifacts.every(({ name }) => !isState(name) || !names.has(name) || signed.has(name))
}

function newestOf({ stored }: Listed, key: string): string | undefined {
  return stored
    .map(({ name }) => name)
    .filter(name => isManifestName(name, key))
    .sort()
    .at(-1)
}

function isState(name: string): boolean {
  return parseArtifactName(name)?.kind === 'state'
}
