import { randomBytes } from 'node:crypto'
import { isBackupError } from '../errors.js'
import { formatDate } from '../format/dates.js'
import type { Artifact, Store, StoredName } from '../types.js'
import { decodeProofs, encodeProofs, Proofs, proofNames } from './proofs.js'
import type { ProvenUpTo, Stretch } from './stretches.js'

/** Files of a key that are read, at most: the newest. Each has what its writer had read. */
const FILES_READ = 16
const FILE_BYTES = 16 * 1024 * 1024
/** What was proven is recorded at such intervals, too, so that a verification that is killed has not been for nothing. */
const SAVE_MS = 5 * 60_000

/** What the log of a verification is about. */
export interface ProofLogOptions {
  readonly store: Store
  readonly key: string
  /** What the store lists, of this key at least. */
  readonly stored: readonly StoredName[]
  /** The backup that is verified, and those that it builds on. */
  readonly date: string
  readonly dates: readonly string[]
  /** What that backup needs. */
  readonly needed: readonly Artifact[]
  readonly signal?: AbortSignal | undefined
  /** Says what could not be read or written: it is proven again, and no reason to fail. */
  readonly onNote: (note: string) => void
}

/**
 * What verifications of a key have proven, kept beside its artifacts: each writes a file of its own, with what it has read
 * from the others, and then deletes those. So nothing is ever overwritten, two at a time lose nothing, and a store that
 * refuses to delete, or to write at all, costs nothing but files or proofs.
 */
export class ProofLog {
  readonly #proofs: Proofs
  readonly #dates: ReadonlySet<string>
  readonly #upTo: string
  readonly #nowMs = Date.now()
  #savedMs = Date.now()
  #isSaved = true

  private constructor(
    readonly options: ProofLogOptions,
    proofs: Proofs,
    /** Names whose content is in the proofs. */
    private superseded: readonly string[]
  ) {
    this.#proofs = proofs
    this.#dates = new Set(options.dates)
    this.#upTo = options.needed.reduce((newest, { date }) => (date > newest ? date : newest), '')
  }

  static async open(options: ProofLogOptions): Promise<ProofLog> {
    const { key, stored, needed, onNote } = options
    const sizes = new Map(stored.map(({ name, sizeBytes }) => [name, sizeBytes]))
    const names = proofNames(stored, key)
    const read: string[] = []
    const proofs = new Proofs(key)
    for (const name of names.slice(-FILES_READ)) {
      const found = await readFile(name, options)
      if (found === undefined) continue
      proofs.merge(found)
      read.push(name)
    }
    const areOf = proofs.areOf(needed, sizes)
    proofs.forgetMissing(sizes)
    if (areOf) return new ProofLog(options, proofs, read)
    onNote('An artifact is not the one that was proven: everything is proven again')
    return new ProofLog(options, new Proofs(key), read)
  }

  readonly find = (artifact: Artifact, index: number): ProvenUpTo | undefined =>
    this.#proofs.find(artifact, index, this.#dates, this.#nowMs)

  async record({ artifact, index }: Stretch): Promise<void> {
    const { needed, date } = this.options
    if (this.#isSaved) this.#proofs.bind(needed)
    this.#isSaved = false
    this.#proofs.add(artifact, index, { provenMs: Date.now(), date, upTo: this.#upTo })
    if (Date.now() - this.#savedMs >= SAVE_MS) await this.save()
  }

  async save(): Promise<void> {
    if (this.#isSaved) return
    const { store, key, signal, onNote } = this.options
    const name = `${key}.proofs.${formatDate(Date.now())}.${randomBytes(8).toString('hex')}.json`
    this.#savedMs = Date.now()
    try {
      await store.put(name, [encodeProofs(this.#proofs)], { signal })
    } catch (error) {
      if (signal?.aborted || !isBackupError(error)) throw error
      onNote(`What was proven cannot be recorded: ${error.message}`)
      return
    }
    this.#isSaved = true
    const old = this.superseded
    this.superseded = [name]
    for (const each of old) await store.delete(each, { signal }).catch(() => signal?.throwIfAborted())
  }
}

/** What one file has: nothing if it is damaged, undefined if it cannot be read. */
async function readFile(name: string, { store, key, signal, onNote }: ProofLogOptions): Promise<Proofs | undefined> {
  try {
    const chunks: Uint8Array[] = []
    for await (const chunk of store.get(name, { start: 0, end: FILE_BYTES }, { signal })) chunks.push(chunk)
    return decodeProofs(Buffer.concat(chunks), key, name)
  } catch (error) {
    if (signal?.aborted || !isBackupError(error)) throw error
    // The next one to be written has taken its place.
    if (error.code === 'IBT_NOT_FOUND') return undefined
    onNote(`Proofs are not used: ${error.message}`)
    return error.code === 'IBT_STATE_INVALID' ? new Proofs(key) : undefined
  }
}
