import { createHash } from 'node:crypto'
import { BackupError, isBackupError } from '../errors.js'
import type { SignedArtifact } from '../format/manifest.js'
import { parseRemovedName, signedName } from '../format/names.js'
import type { ByteRange, Store, StoreOptions } from '../types.js'
import { type ManifestPlaces, readManifest } from './manifests.js'
import { wrapStore } from './wrap-store.js'

/** Of an artifact whose whole digest was right, each piece of so many bytes has its own. */
const PIECE_BYTES = 256 * 1024

/** The digests of the pieces of an artifact, one after the other. */
interface Proven {
  readonly sizeBytes: number
  readonly digests: Buffer
}

/**
 * A store whose states, sigvaults and records of segments are given out only as the newest manifest of their key has them, signed by one of
 * the keys. The first read of one reads all of it; later ones, of ranges too, are proven piece by piece, so that a store
 * that gives other bytes the second time is found out. A store that lacks a signed state gives nothing of the key.
 * The state of a removed backup is proven by what was signed under the name that it had.
 * Archives pass: what is in them is proven by the digests in the state.
 *
 * Memory: one piece a read, 32 bytes for each piece of what was read, and the manifests.
 */
export function verifiedStore(inner: Store, places: ManifestPlaces): Store {
  const signed = new Map<string, Promise<ReadonlyMap<string, SignedArtifact>>>()
  const proven = new Map<string, Promise<Proven>>()
  return wrapStore(inner, {
    get(name, range = { start: 0 }, options = {}) {
      const signed = signedName(parseRemovedName(name)?.state ?? name)
      return signed ? read(name, signed.key, range, options) : inner.get(name, range, options)
    }
  })

  async function* read(name: string, key: string, { start, end = Infinity }: ByteRange, options: StoreOptions) {
    const { sizeBytes, digests } = await once(proven, name, () => prove(name, key, options))
    const first = Math.floor(start / PIECE_BYTES)
    const last = Math.ceil(Math.min(end, sizeBytes) / PIECE_BYTES)
    if (first >= last) return
    let index = first
    const whole = { start: first * PIECE_BYTES, end: Math.min(last * PIECE_BYTES, sizeBytes) }
    for await (const piece of piecesOf(inner.get(name, whole, options))) {
      if (!sha256(piece).equals(digests.subarray(32 * index, 32 * index + 32))) throw changed(name)
      const at = index++ * PIECE_BYTES
      yield piece.subarray(Math.max(0, start - at), Math.max(0, Math.min(piece.length, end - at)))
    }
    if (index < last) throw changed(name)
  }

  /** Reads all of an artifact. @throws BackupError IBT_NOT_SIGNED, IBT_HASH_MISMATCH */
  async function prove(name: string, key: string, options: StoreOptions): Promise<Proven> {
    let artifact: SignedArtifact | undefined
    let refusal: unknown
    try {
      artifact = await find(parseRemovedName(name)?.state ?? name, key, options)
    } catch (error) {
      if (!isBackupError(error) || error.code !== 'IBT_NOT_SIGNED') throw error
      refusal = error
    }
    if (artifact === undefined) {
      // Whether it is there at all is what some ask, also before anything of the key is signed.
      for await (const _ of inner.get(name, { start: 0, end: 1 }, options)) break
      throw refusal ?? notSigned(name, `${name} is not signed`)
    }
    const hash = createHash('sha256')
    const digests: Buffer[] = []
    let sizeBytes = 0
    for await (const piece of piecesOf(inner.get(name, { start: 0 }, options))) {
      hash.update(piece)
      digests.push(sha256(piece))
      sizeBytes += piece.length
    }
    const found = hash.digest('hex')
    if (found === artifact.sha256) return { sizeBytes, digests: Buffer.concat(digests) }
    const message = `${name} has the SHA-256 ${found}, but ${artifact.sha256} was signed`
    throw new BackupError('IBT_HASH_MISMATCH', message, { path: name })
  }

  /** Another run, or another view of the store, may have signed it since the manifest was read. */
  async function find(name: string, key: string, options: StoreOptions): Promise<SignedArtifact | undefined> {
    const known = signed.has(key)
    const artifact = (await once(signed, key, () => artifactsOf(key, options))).get(name)
    if (artifact !== undefined || !known) return artifact
    signed.delete(key)
    return (await once(signed, key, () => artifactsOf(key, options))).get(name)
  }

  async function artifactsOf(key: string, options: StoreOptions): Promise<ReadonlyMap<string, SignedArtifact>> {
    const { manifest, missing } = await readManifest(places, key, options)
    if (manifest === undefined) throw notSigned(key, `No backup of ${key} is signed`)
    checkComplete(key, missing)
    return new Map(manifest.artifacts.map(artifact => [artifact.name, artifact]))
  }
}

/** @throws BackupError IBT_ROLLED_BACK */
export function checkComplete(key: string, missing: readonly SignedArtifact[]): void {
  if (missing[0] === undefined) return
  const others = missing.length > 1 ? ` and ${missing.length - 1} others` : ''
  const message = `The store lacks ${missing[0].name}${others}: it was signed, and nobody has signed that it was removed`
  throw new BackupError('IBT_ROLLED_BACK', message, { path: key })
}

/** What a promise comes to, which is kept unless it fails. */
function once<T>(made: Map<string, Promise<T>>, name: string, make: () => Promise<T>): Promise<T> {
  let promise = made.get(name)
  if (promise === undefined) {
    promise = make()
    made.set(name, promise)
    promise.catch(() => made.delete(name))
  }
  return promise
}

/** The bytes in pieces of `PIECE_BYTES`, the last one shorter. */
async function* piecesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
  let gathered: Uint8Array[] = []
  let bytes = 0
  for await (let chunk of chunks) {
    while (bytes + chunk.length >= PIECE_BYTES) {
      const taken = PIECE_BYTES - bytes
      yield Buffer.concat([...gathered, chunk.subarray(0, taken)])
      chunk = chunk.subarray(taken)
      gathered = []
      bytes = 0
    }
    if (chunk.length === 0) continue
    gathered.push(chunk)
    bytes += chunk.length
  }
  if (bytes > 0) yield Buffer.concat(gathered)
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function notSigned(path: string, message: string): BackupError {
  return new BackupError('IBT_NOT_SIGNED', message, { path })
}

function changed(name: string): BackupError {
  return new BackupError('IBT_HASH_MISMATCH', `The store gave other bytes of ${name} than before`, { path: name })
}
