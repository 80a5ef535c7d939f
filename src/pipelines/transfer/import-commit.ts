import { createHash } from 'node:crypto'
import type { Staging } from '../../bundle/staging.js'
import { decodeFrames, type FindCodec, knownCodecs, unknownCodec } from '../../codec/index.js'
import { BackupError } from '../../errors.js'
import { EntryCheck } from '../../format/entry-check.js'
import { parseArtifactName } from '../../format/names.js'
import { openState } from '../../format/state-reader.js'
import { Chain, type NeededArtifact } from '../../stores/chain.js'
import { hashStored } from '../../stores/hash-stored.js'
import type { Lock } from '../../stores/lock.js'
import { wrapStore } from '../../stores/wrap-store.js'
import type { Reading, StateHeader, Store, StoredName, StoreOptions } from '../../types.js'

/** What a commit works with. */
export interface CommitOptions extends StoreOptions {
  readonly lock: Lock
  readonly staging: Staging
  readonly codecs: readonly Reading[] | undefined
}

interface Seal {
  readonly sizeBytes: number
  /** Of an artifact that somebody put into a tar by hand it may be unknown. */
  readonly sha256?: string | undefined
}

/** Makes backups of what has arrived, a state at a time, when all that it needs is there. */
export class Commit {
  /** Of the backups that were made. */
  readonly dates: string[] = []
  /** Artifacts that were stored. */
  artifacts = 0
  readonly #stored = new Map<string, number>()
  readonly #find: FindCodec
  /** Names of stored states, by date. */
  readonly #states = new Map<string, string>()
  /** States that wait for what they need, with their seals as far as these are known. */
  readonly #waiting = new Map<string, Seal | undefined>()
  /** SHA-256 of stored states, by date. */
  readonly #digests = new Map<string, Promise<string>>()

  constructor(
    readonly key: string,
    readonly store: Store,
    stored: readonly StoredName[],
    readonly options: CommitOptions
  ) {
    this.#find = knownCodecs(options.codecs)
    for (const { name, sizeBytes } of stored) {
      const parsed = parseArtifactName(name)
      if (parsed?.key !== key) continue
      this.#stored.set(name, sizeBytes)
      if (parsed.kind === 'state') this.#states.set(parsed.date, name)
    }
  }

  /** The size of an artifact of the store; undefined for one that it does not have. */
  sizeOf(name: string): number | undefined {
    return this.#stored.get(name)
  }

  /** A state has arrived as a whole. In a bundle of ours, so has all that it needs. */
  async add(name: string, seal: Seal | undefined): Promise<void> {
    if ((await this.#commit(name, seal, () => true)) !== undefined) this.#waiting.set(name, seal)
  }

  /** Nothing more comes. A sigvault that is missing costs deltas, not the backup. @throws BackupError IBT_BASIS_MISSING */
  async finish(): Promise<void> {
    let lost: { readonly by: string; readonly name: string } | undefined
    let made: number
    // A state may need a merged one, which has a later date: so once more as long as that helps.
    do {
      lost = undefined
      made = this.dates.length
      for (const [by, seal] of this.#waiting) {
        const missing = await this.#commit(by, seal, ({ kind }) => kind !== 'sigvault')
        if (missing === undefined) this.#waiting.delete(by)
        else lost ??= { by, name: missing.name }
      }
    } while (lost !== undefined && this.dates.length > made)
    if (lost === undefined) return
    const message = `${lost.by} needs ${lost.name}, which is neither in the bundle nor in the store: export it, too, or send a full`
    throw new BackupError('IBT_BASIS_MISSING', message, { path: lost.name })
  }

  /** Makes a backup of a state, or says what it lacks. */
  async #commit(
    name: string,
    seal: Seal | undefined,
    isNeeded: (artifact: NeededArtifact) => boolean
  ): Promise<NeededArtifact | undefined> {
    const { lock, signal } = this.options
    const header = await this.#check(name)
    const needed = (await this.#needs(name)).filter(artifact => artifact.name !== name)
    const lost = needed.find(artifact => isNeeded(artifact) && !this.#has(artifact))
    if (lost !== undefined) return lost
    await this.#checkLinks(name, header)
    for (const artifact of needed) {
      if (!this.#stored.has(artifact.name) && this.#has(artifact)) await this.#join(artifact.name, artifact)
    }
    await lock.check({ signal })
    await this.#join(name, seal)
    this.#states.set(header.date, name)
    this.dates.push(header.standsFor?.date ?? header.date)
    return undefined
  }

  /** Another state has to be a backup already: a merged one, in the place of what was merged. */
  #has({ name, kind, sizeBytes }: NeededArtifact): boolean {
    const staged = kind === 'state' ? undefined : this.options.staging.sizeOf(name)
    return (this.#stored.get(name) ?? staged) === sizeBytes
  }

  /** What a state needs, in the chain of all that is stored or has arrived. */
  async #needs(name: string): Promise<readonly NeededArtifact[]> {
    const { staging, codecs, signal } = this.options
    const store = wrapStore(this.store, {
      get: (of, range, options) => (this.#stored.has(of) ? this.store.get(of, range, options) : staging.get(of, range))
    })
    // Of a state that is not whole nothing can be read.
    const isWhole = (of: string) => of === name || this.#waiting.has(of) || parseArtifactName(of)?.kind !== 'state'
    const arrived = staging.artifacts.filter(artifact => isWhole(artifact.name))
    const stored = [...this.#stored].map(([name, sizeBytes]) => ({ name, sizeBytes }))
    const chain = await Chain.open(store, this.key, { codecs, signal, stored: [...stored, ...arrived] })
    const { date, asOf = date } = parseArtifactName(name)!
    return chain.needs(asOf)
  }

  /** Reads a state that has arrived, and refuses what no writer makes. */
  async #check(name: string): Promise<StateHeader> {
    const { staging, signal } = this.options
    const { date, asOf, suffixes } = parseArtifactName(name)!
    const codec = this.#find(suffixes)
    if (codec === undefined) throw unknownCodec(name)
    const state = await openState(decodeFrames(staging.get(name), codec, name))
    const { header } = state
    if (header.key !== this.key || header.date !== date || header.standsFor?.date !== asOf) {
      await state.close()
      const message = `${name} is the state of ${header.key} of ${header.date}: it was renamed or replaced`
      throw new BackupError('IBT_STATE_INVALID', message, { path: name })
    }
    const check = new EntryCheck()
    for await (const entry of state.entries()) {
      signal?.throwIfAborted()
      check.add(entry)
    }
    state.closing()
    return header
  }

  /** The states that a state builds on are those of the store, as far as it has them. */
  async #checkLinks(name: string, { chain }: StateHeader): Promise<void> {
    for (const { date, stateSha256 } of chain) {
      const found = stateSha256 === undefined ? undefined : await this.#digestOf(date)
      if (found === undefined || found === stateSha256) continue
      const message = `${name} builds on another backup of ${date} than the one in the store`
      throw new BackupError('IBT_BASIS_MISMATCH', message, { path: name })
    }
  }

  #digestOf(date: string): Promise<string> | undefined {
    const found = this.#digests.get(date)
    if (found !== undefined) return found
    const name = this.#states.get(date)
    if (name === undefined) return undefined
    const digest = this.#digest(name)
    this.#digests.set(date, digest)
    return digest
  }

  async #digest(name: string): Promise<string> {
    return (await hashStored(this.store, name, { signal: this.options.signal })).sha256
  }

  /** Stores an artifact under its name, of the volumes that have arrived. */
  async #join(name: string, seal: Seal | undefined): Promise<void> {
    const { staging, signal } = this.options
    const sizeBytes = staging.sizeOf(name)!
    let mismatch: BackupError | undefined
    async function* checked() {
      const hash = createHash('sha256')
      for await (const bytes of staging.get(name)) {
        hash.update(bytes)
        yield bytes
      }
      const sha256 = hash.digest('hex')
      if (seal?.sha256 === undefined || (seal.sha256 === sha256 && seal.sizeBytes === sizeBytes)) return
      const message = `${name} has arrived with the SHA-256 ${sha256}, not ${seal.sha256}`
      throw (mismatch = new BackupError('IBT_HASH_MISMATCH', message, { path: name }))
    }
    try {
      await this.store.put(name, checked(), { signal })
    } catch (error) {
      // It would be wrong at every further try, too.
      if (mismatch !== undefined) await staging.drop(name)
      throw error
    }
    this.#stored.set(name, sizeBytes)
    this.artifacts++
    await staging.drop(name)
  }
}
