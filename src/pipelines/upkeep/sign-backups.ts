import { BackupError } from '../../errors.js'
import type { SignedArtifact } from '../../format/manifest.js'
import { checkKey, parseArtifactName, parseRemovedName, signedName } from '../../format/names.js'
import { whileLocked } from '../../lifecycle/locked.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import type { SigningKey } from '../../places/options.js'
import { openPlaces } from '../../places/places.js'
import { signingPlaces } from '../../places/signing.js'
import { hashStored } from '../../stores/hash-stored.js'
import { readManifest } from '../../stores/manifests.js'
import { writeManifest } from '../../stores/signed-store.js'
import { checkComplete } from '../../stores/verified-store.js'

/** Options of `signBackups`. */
export interface SignOptions extends Omit<LockedOptions, 'verifyKeys'> {
  readonly signKey: SigningKey
  /** Sign what is there although it is not what was signed before: states that are gone, or other than they were. */
  readonly accept?: boolean | undefined
}

/** What was signed. */
export interface SignReport {
  readonly key: string
  /** When, which is in the name of the manifest. */
  readonly date: string
  readonly states: number
  /** Names that were not signed before. */
  readonly added: readonly string[]
  /** Names that were signed and are gone, or have other bytes now: with `accept` only. */
  readonly changed: readonly string[]
}

/**
 * Signs all backups of a key that are in the store, whoever made them: once, when signing begins, and after a change by
 * somebody without the key. Reads all states and sigvaults. Memory: the names of the key.
 *
 * @throws BackupError IBT_LOCKED, IBT_NO_BACKUP; IBT_ROLLED_BACK, IBT_MANIFEST_INVALID and IBT_HASH_MISMATCH without `accept`
 */
export function signBackups(key: string, options: SignOptions): Promise<SignReport> {
  const { signKey, accept = false, signal } = options
  checkKey(key)
  const { store, cache, localState } = openPlaces({ ...options, signKey: undefined })
  const places = signingPlaces(signKey, [], store, localState ?? cache)
  return whileLocked({ store }, key, options, async check => {
    const { manifest, listed, missing } = await readManifest(places, key, { signal, accept })
    if (!accept) checkComplete(key, missing)
    const before = new Map(manifest?.artifacts.map(artifact => [artifact.name, artifact]))
    const artifacts: SignedArtifact[] = []
    const added: string[] = []
    const changed = missing.map(({ name }) => name)
    for (const [name, from] of signedNames([...listed.keys()], key)) {
      const optional = from === name ? undefined : true
      const artifact = { name, ...(await hashStored(store, from, { signal })), optional }
      const was = before.get(name)
      if (was === undefined) added.push(from)
      else if (was.sha256 !== artifact.sha256) {
        if (!accept) throw otherBytes(from)
        changed.push(from)
      }
      artifacts.push(artifact)
    }
    if (artifacts.length === 0 && manifest === undefined)
      throw new BackupError('IBT_NO_BACKUP', `No backup of ${key}`, { path: key })
    await check()
    const { date } = await writeManifest(places, { key, artifacts }, manifest, [...listed.keys()], { signal })
    const states = artifacts.filter(
      ({ name, optional }) => !optional && parseArtifactName(name)?.kind === 'state'
    ).length
    return { key, date, states, added, changed }
  })
}

/**
 * What is signed of a key, and where its bytes are: sigvaults, too, because a false one would make deltas that restore
 * nothing, and states of removed backups, which can come back.
 */
function signedNames(listed: readonly string[], key: string): ReadonlyMap<string, string> {
  const removed = listed.flatMap(name => {
    const { state } = parseRemovedName(name) ?? {}
    return state !== undefined && signedName(state)?.key === key ? [[state, name] as const] : []
  })
  const own = listed.filter(name => signedName(name)?.key === key)
  return new Map([...removed, ...own.map(name => [name, name] as const)])
}

function otherBytes(name: string): BackupError {
  const message = `${name} has other bytes than those that were signed`
  return new BackupError('IBT_HASH_MISMATCH', message, { path: name })
}
