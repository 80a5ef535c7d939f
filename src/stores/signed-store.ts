import { createHash, type KeyObject } from 'node:crypto'
import { formatDate, parseDate } from '../format/dates.js'
import { encodeManifest, type Manifest, type SignedArtifact } from '../format/manifest.js'
import { parseArtifactName, parseRemovedName, signedName } from '../format/names.js'
import type { Source, Store, StoreOptions } from '../types.js'
import { isManifestName, type ManifestPlaces, manifestName, readManifest, rememberManifest } from './manifests.js'
import { checkComplete } from './verified-store.js'
import { wrapStore } from './wrap-store.js'

/** Where manifests are, and what signs them. */
export interface SigningPlaces extends ManifestPlaces {
  readonly privateKey: KeyObject
}

/**
 * A store that signs what is put into it: whenever a state comes or goes, the manifest of its key is signed anew. A state
 * is signed before its put ends, as one that may be missing, and again when it is there; one that is deleted, before that.
 * So a crash at any moment leaves nothing that is stored and not signed, or signed and not stored.
 * Whoever puts holds the lock on the key. Memory: the manifest.
 *
 * @throws BackupError IBT_ROLLED_BACK if the store lacks what was signed
 */
export function signedStore(inner: Store, places: SigningPlaces): Store {
  const signers = new Map<string, Signer>()
  const signerOf = (key: string): Signer => {
    const signer = signers.get(key) ?? new Signer(places, key)
    signers.set(key, signer)
    return signer
  }
  return wrapStore(inner, {
    async put(name, source, options = {}) {
      const { key, kind } = signedName(name) ?? {}
      if (key === undefined) return inner.put(name, source, options)
      const signer = signerOf(key)
      if (kind === 'sigvault')
        return inner.put(
          name,
          hashed(source, name, async made => signer.note(made)),
          options
        )
      await inner.put(
        name,
        hashed(source, name, made => signer.sign({ ...made, optional: true }, options)),
        options
      )
      if (kind === 'state') await signer.require(name, options)
    },
    async delete(name, options = {}) {
      const { key, kind } = parseArtifactName(name) ?? {}
      if (key !== undefined && kind === 'state') await signerOf(key).release(name, options)
      await inner.delete(name, options)
    }
  })
}

/** Signs the manifests of one key, one after the other. */
class Signer {
  readonly #noted: SignedArtifact[] = []
  #turn: Promise<unknown> = Promise.resolve()

  constructor(
    readonly places: SigningPlaces,
    readonly key: string
  ) {}

  /** It is signed with the next state. */
  note(artifact: SignedArtifact): void {
    this.#noted.push(artifact)
  }

  sign(state: SignedArtifact, options: StoreOptions): Promise<void> {
    return this.#inTurn(async () => {
      const noted = [...this.#noted]
      await signChanges(this.places, this.key, () => [...noted, state], options)
      this.#noted.splice(0, noted.length)
    })
  }

  /** What was signed as one that may be missing has to be there from now on. */
  require(name: string, options: StoreOptions): Promise<void> {
    return this.#change(name, undefined, options)
  }

  /** From now on it may be missing. */
  release(name: string, options: StoreOptions): Promise<void> {
    return this.#change(name, true, options)
  }

  #change(name: string, optional: true | undefined, options: StoreOptions): Promise<void> {
    const changes = (signed: readonly SignedArtifact[]) =>
      signed
        .filter(artifact => artifact.name === name && artifact.optional !== optional)
        .map(artifact => ({ ...artifact, optional }))
    return this.#inTurn(() => signChanges(this.places, this.key, changes, options))
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(work)
    this.#turn = done.catch(() => {})
    return done
  }
}

/**
 * Signs the manifest of a key anew, with changes of what was signed: artifacts that are new or other than before; nothing
 * if there are none. A state that is there has to be there from now on. What is gone and cannot come back is left out.
 *
 * @throws BackupError IBT_ROLLED_BACK if the store lacks what was signed
 */
async function signChanges(
  places: SigningPlaces,
  key: string,
  changes: (signed: readonly SignedArtifact[]) => readonly SignedArtifact[],
  options: StoreOptions
): Promise<void> {
  const { manifest, listed, missing } = await readManifest(places, key, options)
  const changed = new Map(changes(manifest?.artifacts ?? []).map(artifact => [artifact.name, artifact]))
  if (changed.size === 0) return
  checkComplete(key, missing)
  const removed = new Set([...listed.keys()].map(name => parseRemovedName(name)?.state))
  const kept = (manifest?.artifacts ?? [])
    .filter(({ name }) => !changed.has(name) && (listed.has(name) || removed.has(name)))
    .map(artifact => (listed.has(artifact.name) ? { ...artifact, optional: undefined } : artifact))
  await writeManifest(places, { key, artifacts: [...kept, ...changed.values()] }, manifest, [...listed.keys()], options)
}

/** Writes a manifest behind another one, and deletes the older ones, which say nothing any more. */
export async function writeManifest(
  { store, memory, privateKey }: SigningPlaces,
  content: Pick<Manifest, 'key' | 'artifacts'>,
  before: Manifest | undefined,
  listed: readonly string[],
  options: StoreOptions
): Promise<Manifest> {
  const { key, artifacts } = content
  const ms = Math.max(Date.now(), before === undefined ? 0 : parseDate(before.date) + 1)
  const sorted = [...artifacts].sort((a, b) => (a.name < b.name ? -1 : 1))
  const manifest: Manifest = {
    key,
    date: formatDate(ms),
    sequence: (before?.sequence ?? 0) + 1,
    artifacts: sorted.map(({ name, sizeBytes, sha256, optional }) => ({
      ...{ name, sizeBytes, sha256 },
      ...(optional && { optional })
    }))
  }
  const bytes = encodeManifest(manifest, privateKey)
  await store.put(manifestName(key, manifest.date), [bytes], options)
  await rememberManifest(memory, manifest, bytes, options)
  for (const name of listed) {
    // A store that keeps everything keeps these, too.
    if (isManifestName(name, key)) await store.delete(name, options).catch(() => options.signal?.throwIfAborted())
  }
  return manifest
}

/** Hashes what passes, and says what it was before the source ends. */
async function* hashed(
  source: Source<Uint8Array>,
  name: string,
  tell: (made: SignedArtifact) => Promise<void>
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const chunk of source) {
    hash.update(chunk)
    sizeBytes += chunk.length
    yield chunk
  }
  await tell({ name, sizeBytes, sha256: hash.digest('hex') })
}
