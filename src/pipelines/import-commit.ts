import { createHash } from 'node:crypto'
import type { Staging } from '../bundle/staging.js'
import { decodeFrames, type FindCodec, unknownCodec } from '../codec/index.js'
import { BackupError } from '../errors.js'
import { EntryCheck } from '../format/entry-check.js'
import { parseArtifactName } from '../format/names.js'
import { openState } from '../format/state-reader.js'
import type { Lock } from '../stores/lock.js'
import type { Artifact, SealedArtifact, StateClosing, StateHeader, Store, StoredName, StoreOptions } from '../types.js'

/** What a commit works with. */
export interface CommitOptions extends StoreOptions {
  readonly lock: Lock
  readonly staging: Staging
  readonly find: FindCodec
}

type Seal = Pick<SealedArtifact, 'sizeBytes' | 'sha256'>

/** Makes backups of what has arrived, a state at a time, when all that it needs is there. */
export class Commit {
  /** Of the backups that were made. */
  readonly dates: string[] = []
  /** Artifacts that were stored. */
  artifacts = 0
  readonly #stored: Map<string, number>
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
    this.#stored = new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes]))
    for (const name of this.#stored.keys()) {
      const parsed = parseArtifactName(name)
      if (parsed?.key === key && parsed.kind === 'state') this.#states.set(parsed.date, name)
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
    for (const [name, seal] of [...this.#waiting].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const lost = await this.#commit(name, seal, ({ kind }) => kind !== 'sigvault')
      if (lost === undefined) continue
      const message = `${name} needs ${lost.name}, which is neither in the bundle nor in the store: export it, too, or send a full`
      throw new BackupError('IBT_BASIS_MISSING', message, { path: lost.name })
    }
  }

  /** Makes a backup of a state, or says what it lacks. */
  async #commit(
    name: string,
    seal: Seal | undefined,
    isNeeded: (artifact: Artifact) => boolean
  ): Promise<Artifact | undefined> {
    const { lock, signal } = this.options
    const { header, closing } = await this.#read(name)
    const lost = closing.artifacts.find(artifact => isNeeded(artifact) && !this.#has(artifact))
    if (lost !== undefined) return lost
    await this.#checkLinks(name, header)
    for (const artifact of closing.artifacts) {
      if (!this.#stored.has(artifact.name) && this.#has(artifact)) await this.#join(artifact.name, artifact)
    }
    await lock.check({ signal })
    await this.#join(name, seal)
    this.#states.set(header.date, name)
    this.dates.push(header.date)
    return undefined
  }

  #has({ name, sizeBytes }: Artifact): boolean {
    return (this.#stored.get(name) ?? this.options.staging.sizeOf(name)) === sizeBytes
  }

  /** Reads a state that has arrived, and refuses what no writer makes. */
  async #read(name: string): Promise<{ readonly header: StateHeader; readonly closing: StateClosing }> {
    const { staging, find, signal } = this.options
    const { date, suffixes } = parseArtifactName(name)!
    const codec = find(suffixes)
    if (codec === undefined) throw unknownCodec(name)
    const state = await openState(decodeFrames(staging.bytes(name), codec, name))
    const { header } = state
    if (header.key !== this.key || header.date !== date) {
      await state.close()
      const message = `${name} is the state of ${header.key} of ${header.date}: it was renamed or replaced`
      throw new BackupError('IBT_STATE_INVALID', message, { path: name })
    }
    const check = new EntryCheck()
    for await (const entry of state.entries()) {
      signal?.throwIfAborted()
      check.add(entry)
    }
    return { header, closing: state.closing() }
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
    const hash = createHash('sha256')
    for await (const bytes of this.store.get(name, undefined, { signal: this.options.signal })) hash.update(bytes)
    return hash.digest('hex')
  }

  /** Stores an artifact under its name, of the volumes that have arrived. */
  async #join(name: string, seal: Seal | undefined): Promise<void> {
    const { staging, signal } = this.options
    const sizeBytes = staging.sizeOf(name)!
    let mismatch: BackupError | undefined
    async function* checked() {
      const hash = createHash('sha256')
      for await (const bytes of staging.bytes(name)) {
        hash.update(bytes)
        yield bytes
      }
      const sha256 = hash.digest('hex')
      if (seal === undefined || (seal.sha256 === sha256 && seal.sizeBytes === sizeBytes)) return
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
