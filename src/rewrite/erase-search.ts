import { tarPaths } from '../codec/tar-paths.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import type { Chain, StoredArtifact } from '../stores/chain.js'
import { orderIn } from '../stores/merged-places.js'
import type { MergedEntry } from '../types.js'
import { isErased, type Matches } from './erase-entries.js'
import { bodyId, eachEntry, findLostBodies } from './lost-bodies.js'

/** Paths of each list that is reported. */
const PATHS_MAX = 1000

/** A path outside of the patterns. */
export interface OtherPath {
  readonly path: string
  /** The oldest and the newest backup with it. */
  readonly first: string
  readonly last: string
}

/** What a backup has of what is to be erased. */
export interface Holding {
  readonly files: number
  readonly sizeBytes: number
  /** Entries that an earlier run has erased. */
  readonly erasedBefore: number
  /** Some entry that matches could not be read: of what was read of it, an archive may hold a part. */
  readonly hasUnread: boolean
}

/** Files outside of the patterns that are made of what an earlier backup is going to lose. */
export interface MadeOfErased {
  readonly files: number
  readonly sizeBytes: number
}

/**
 * Looks in backups for what is to be erased.
 * Memory: one digest for each different content of that, `PATHS_MAX` paths outside of the patterns, and the bodies of one
 * backup (`findLostBodies`).
 */
export class EraseSearch {
  /** Artifacts, as `KIND DATE`, that hold such a content or its signature, wherever that is. */
  readonly holders = new Set<string>()
  readonly #digests = new Set<string>()
  readonly #copies = new Map<string, OtherPath>()
  readonly #builtOn = new Map<string, OtherPath>()
  readonly #lost = new Map<string, ReadonlySet<string>>()

  constructor(readonly matches: Matches) {}

  /** Paths outside of the patterns with a content that is to be erased inside. */
  get copies(): readonly OtherPath[] {
    return [...this.#copies.values()]
  }

  /** Paths outside of the patterns whose content is stored as deltas on one that is to be erased. */
  get builtOn(): readonly OtherPath[] {
    return [...this.#builtOn.values()]
  }

  /** The first look at a backup. */
  async holding(chain: Chain, date: string): Promise<Holding> {
    const found = { files: 0, sizeBytes: 0, erasedBefore: 0, hasUnread: false }
    for await (const batch of batchesOf(chain.entries(date))) {
      for (const entry of isBatch(batch) ? batch : [batch]) {
        if (!isErased(entry, this.matches)) {
          if (entry.type !== 'unreadable' || !this.matches(entry.path)) continue
          if (entry.erased === undefined) found.hasUnread = true
          else found.erasedBefore++
          continue
        }
        const { sizeBytes = 0, sha256, places, signature } = entry
        found.files++
        found.sizeBytes += sizeBytes
        if (sha256 !== undefined && sizeBytes > 0) this.#digests.add(sha256)
        for (const { date, in: kind } of places!) this.holders.add(`${kind} ${date}`)
        if (signature !== undefined) this.holders.add(`sigvault ${signature.date}`)
      }
    }
    return found
  }

  /**
   * The second look, when all backups had the first: what else has such a content, and how many entries outside of the
   * patterns are made of one that the backup of `after` is going to lose. Older backups first.
   */
  async others(chain: Chain, date: string, after: string | undefined): Promise<MadeOfErased> {
    const lost = after === undefined ? new Set<string>() : await this.lostBodies(chain, after)
    const found = { files: 0, sizeBytes: 0 }
    if (this.#digests.size === 0 && lost.size === 0) return found
    const orderOf = orderIn((await chain.ends(date)).header.chain)
    const isMadeOfLost = ({ places = [] }: MergedEntry) => {
      const basis = places.findLast(place => chain.asOf(orderOf(place.date)) <= after!)
      return basis !== undefined && lost.has(bodyId(basis))
    }
    await eachEntry(chain, date, entry => {
      if (isErased(entry, this.matches)) return
      const isCopy = entry.sha256 !== undefined && this.#digests.has(entry.sha256)
      if (isCopy) addPath(this.#copies, entry.path, date)
      if (lost.size === 0 || !isMadeOfLost(entry)) return
      found.files++
      found.sizeBytes += entry.sizeBytes ?? 0
      if (!isCopy) addPath(this.#builtOn, entry.path, date)
    })
    return found
  }

  /** What a backup is going to lose; that of the last one that was asked for is remembered. */
  async lostBodies(chain: Chain, date: string): Promise<ReadonlySet<string>> {
    const known = this.#lost.get(date) ?? (await findLostBodies(chain, date, this.matches))
    this.#lost.clear()
    this.#lost.set(date, known)
    return known
  }

  /** Whether one of some archives has an entry that matches, whoever refers to it. */
  async isInSome(chain: Chain, artifacts: readonly StoredArtifact[]): Promise<boolean> {
    for (const { kind, date } of artifacts) {
      if (kind === 'state') continue
      for await (const path of tarPaths(await chain.openArchive(date, kind))) {
        chain.options.signal?.throwIfAborted()
        if (this.matches(path)) return true
      }
    }
    return false
  }
}

function addPath(paths: Map<string, OtherPath>, path: string, date: string): void {
  const known = paths.get(path)
  if (known !== undefined) paths.set(path, { ...known, last: date })
  else if (paths.size < PATHS_MAX) paths.set(path, { path, first: date, last: date })
}
