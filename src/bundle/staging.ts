import { BackupError } from '../errors.js'
import { parseVolumeName, volumeName } from '../format/volume-names.js'
import type { ByteRange, Source, Store, StoredName, StoreOptions } from '../types.js'
import type { ArrivedArtifact } from './arrived.js'
import { describeVolume, type Volume } from './volume.js'

/**
 * The volumes of a key that have arrived and wait in its store for the rest of their artifacts. Their names are those of
 * no artifact, so no reader takes them for a backup; they outlive a receiver that is killed. Memory: a number for each.
 */
export class Staging {
  /** Sizes of the volumes of each artifact, from the first on; those behind a gap are of no use. */
  readonly #sizes = new Map<string, number[]>()

  /** `stored`: what the store lists, in its order. */
  constructor(
    readonly store: Store,
    key: string,
    stored: readonly StoredName[],
    readonly options: StoreOptions
  ) {
    for (const { name: text, sizeBytes } of stored) {
      const found = parseVolumeName(text)
      if (found?.key !== key) continue
      const sizes = this.#sizesOf(found.name)
      if (found.volume === sizes.length + 1) sizes.push(sizeBytes)
    }
  }

  /** What has arrived of artifacts that are not whole, or not needed yet. */
  get artifacts(): ArrivedArtifact[] {
    const found = [...this.#sizes].filter(([, sizes]) => sizes.length > 0)
    return found.map(([name, sizes]) => ({ name, sizeBytes: sum(sizes), volumes: sizes.length }))
  }

  /** Bytes of an artifact that have arrived; undefined for none at all. */
  sizeOf(name: string): number | undefined {
    const sizes = this.#sizes.get(name) ?? []
    return sizes.length === 0 ? undefined : sum(sizes)
  }

  /**
   * Stores a volume, unless it is there. One of another size takes the place of all from it on: a sender has begun anew.
   *
   * @throws BackupError IBT_ARCHIVE_TRUNCATED if volumes before it are missing; what the store and the bytes throw.
   */
  async add(volume: Volume, bytes: Source<Uint8Array>): Promise<void> {
    const { name, offset, sizeBytes } = volume
    const number = volume.volume ?? 1
    const sizes = this.#sizesOf(name)
    if (number > sizes.length + 1 || sum(sizes.slice(0, number - 1)) !== offset) {
      const message = `${describeVolume(volume)} has arrived without those before it: of them ${sizes.length} are here`
      throw new BackupError('IBT_ARCHIVE_TRUNCATED', message, { path: name })
    }
    if (sizes[number - 1] === sizeBytes) return
    await this.drop(name, number)
    await this.store.put(volumeName({ name, volume: number }), bytes, this.options)
    sizes.push(sizeBytes)
  }

  /** The bytes of an artifact, or of a part of it, as far as they have arrived. */
  async *get(
    name: string,
    { start, end = Infinity }: ByteRange = { start: 0 }
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let offset = 0
    for (const [index, sizeBytes] of this.#sizesOf(name).entries()) {
      const range = { start: Math.max(0, start - offset), end: Math.min(sizeBytes, end - offset) }
      const volume = volumeName({ name, volume: index + 1 })
      if (range.start < range.end) yield* this.store.get(volume, range, this.options)
      offset += sizeBytes
    }
  }

  /** Deletes the volumes of an artifact from one on, the last first: a crash leaves no gap. */
  async drop(name: string, from = 1): Promise<void> {
    const sizes = this.#sizesOf(name)
    for (; sizes.length >= from; sizes.pop()) {
      await this.store.delete(volumeName({ name, volume: sizes.length }), this.options)
    }
  }

  #sizesOf(name: string): number[] {
    const sizes = this.#sizes.get(name) ?? []
    this.#sizes.set(name, sizes)
    return sizes
  }
}

function sum(sizes: readonly number[]): number {
  return sizes.reduce((total, sizeBytes) => total + sizeBytes, 0)
}
