import type { KeyObject } from 'node:crypto'
import { BackupError, isBackupError } from '../errors.js'
import { isDate } from '../format/dates.js'
import { decodeManifest, type Manifest, type SignedArtifact } from '../format/manifest.js'
import { parseArtifactName } from '../format/names.js'
import type { Store, StoreOptions } from '../types.js'

const MANIFEST_BYTES = 32 * 1024 * 1024

/** The name of a manifest. */
export function manifestName(key: string, date: string): string {
  return `${key}.manifest.${date}.json`
}

/** Whether a name is that of a manifest of the key. */
export function isManifestName(name: string, key: string): boolean {
  const start = `${key}.manifest.`
  return name.startsWith(start) && name.endsWith('.json') && isDate(name.slice(start.length, -'.json'.length))
}

/** Where manifests are, and whose signature counts. */
export interface ManifestPlaces {
  readonly store: Store
  /** Remembers the newest manifest that was seen, so that an older one is no news. */
  readonly memory: Store | undefined
  readonly publicKeys: readonly KeyObject[]
}

/** What has been signed of a key, and what the store lists of it. */
export interface SignedNames {
  readonly manifest: Manifest | undefined
  readonly listed: ReadonlyMap<string, number>
  /** States that were signed and are gone, see `missingStates`. */
  readonly missing: readonly SignedArtifact[]
}

/** Options of `readManifest`. */
export interface ReadManifestOptions extends StoreOptions {
  /** In place of one that is refused, take the newest that this machine has seen, or none. Default: false. */
  readonly accept?: boolean | undefined
}

/**
 * The newest manifest of a key. An older one than this machine has seen is refused; so is none at all, if it has seen one.
 *
 * @throws BackupError IBT_ROLLED_BACK, IBT_MANIFEST_INVALID, and what the store throws
 */
export async function readManifest(
  { store, memory, publicKeys }: ManifestPlaces,
  key: string,
  { accept = false, ...options }: ReadManifestOptions
): Promise<SignedNames> {
  const listed = new Map<string, number>()
  for await (const { name, sizeBytes } of store.list(`${key}.`, options)) listed.set(name, sizeBytes)
  const newest = [...listed.keys()].filter(name => isManifestName(name, key)).at(-1)
  const bytes = newest === undefined ? undefined : await readManifestBytes(store, newest, options)
  let manifest: Manifest | undefined
  try {
    manifest = bytes && decodeNamed(bytes, newest!, key, publicKeys)
  } catch (error) {
    if (!accept) throw error
  }
  const seen = memory && (await newestSeen(memory, key, publicKeys, options))
  if (seen !== undefined && (manifest === undefined || manifest.sequence < seen.sequence)) {
    if (!accept) throw rolledBack(key, manifest, seen)
    manifest = seen
  } else if (manifest !== undefined && manifest.sequence !== seen?.sequence) {
    await rememberManifest(memory, manifest, bytes!, options)
  }
  return { manifest, listed, missing: missingStates(manifest?.artifacts ?? [], listed) }
}

/**
 * States that were signed and are not among the names of a store. Of one that was removed on purpose, the manifest says so;
 * one that a merged state stands for, which is signed and there, is not needed any more, and goes without a signature.
 */
export function missingStates(
  signed: readonly SignedArtifact[],
  names: { readonly has: (name: string) => boolean }
): SignedArtifact[] {
  const states = signed.flatMap(artifact => {
    const { kind, date = '', asOf } = parseArtifactName(artifact.name) ?? {}
    return kind === 'state' ? [{ artifact, date, asOf, isThere: names.has(artifact.name) }] : []
  })
  const merged = new Map<string, string>()
  for (const { date, asOf, isThere } of states) {
    if (asOf !== undefined && isThere && date > (merged.get(asOf) ?? '')) merged.set(asOf, date)
  }
  return states
    .filter(({ artifact, date, asOf, isThere }) => {
      const newest = merged.get(asOf ?? date)
      const isSpared = newest !== undefined && (asOf === undefined || date < newest)
      return !artifact.optional && !isThere && !isSpared
    })
    .map(({ artifact }) => artifact)
}

function rolledBack(key: string, manifest: Manifest | undefined, seen: Manifest): BackupError {
  const has = manifest === undefined ? 'no manifest' : `the manifest of ${manifest.date}`
  const message = `The store has ${has} of ${key}, but this machine has seen that of ${seen.date}: the store was rolled back`
  return new BackupError('IBT_ROLLED_BACK', message, { path: key })
}

/** The bytes of a manifest become what this machine has seen. What cannot be remembered fails nothing. */
export async function rememberManifest(
  memory: Store | undefined,
  { key, date }: Manifest,
  bytes: Uint8Array,
  options: StoreOptions
): Promise<void> {
  if (memory === undefined) return
  const own = manifestName(key, date)
  try {
    await memory.put(own, [bytes], options)
    const others: string[] = []
    for await (const { name } of memory.list(`${key}.manifest.`, options)) {
      if (isManifestName(name, key) && name < own) others.push(name)
    }
    for (const name of others) await memory.delete(name, options)
  } catch {
    options.signal?.throwIfAborted()
  }
}

export async function readManifestBytes(store: Store, name: string, options: StoreOptions): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of store.get(name, { start: 0, end: MANIFEST_BYTES }, options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** A manifest counts under its own name only. */
function decodeNamed(bytes: Buffer, name: string, key: string, publicKeys: readonly KeyObject[]): Manifest {
  const manifest = decodeManifest(bytes, name, key, publicKeys)
  if (name === manifestName(key, manifest.date)) return manifest
  throw new BackupError('IBT_MANIFEST_INVALID', `${name} is the manifest of ${manifest.date}`, { path: name })
}

/** What this machine remembers; a copy that is damaged, or that another key has signed, is none. */
async function newestSeen(memory: Store, key: string, publicKeys: readonly KeyObject[], options: StoreOptions) {
  let newest: Manifest | undefined
  for await (const { name } of memory.list(`${key}.manifest.`, options)) {
    if (!isManifestName(name, key)) continue
    try {
      newest = decodeNamed(await readManifestBytes(memory, name, options), name, key, publicKeys)
    } catch (error) {
      if (!isBackupError(error)) throw error
    }
  }
  return newest
}
