import { decodeFrames, type FindCodec, unknownCodec } from '../../codec/index.js'
import { BackupError } from '../../errors.js'
import { Channel } from '../../flow/channel.js'
import { EntryCheck } from '../../format/entry-check.js'
import { parseArtifactName } from '../../format/names.js'
import { openState, type StateReader } from '../../format/state-reader.js'
import {
  type Artifact,
  type ChainLink,
  type Chunk,
  type Counted,
  isChunk,
  isCounted,
  isSealed,
  type Kind,
  type Sealed,
  type SealedArtifact,
  type Stage,
  type StateHeader
} from '../../types.js'

/** The backup that a sender was told to make. */
export interface Expected {
  readonly key: string
  readonly date: string
  readonly kind: 'full' | 'incremental'
  readonly links: readonly ChainLink[]
  /** Artifacts of the backup that it builds on. */
  readonly inherited: readonly Artifact[]
  readonly find: FindCodec
}

const KINDS: Readonly<Record<Expected['kind'], readonly Kind[]>> = {
  full: ['full', 'sigvault', 'state'],
  incremental: ['created', 'updated', 'sigvault', 'state']
}

/**
 * Lets through what a sender that need not be trusted was told to send: the artifacts of one backup, and a state that a
 * reader takes, that builds on the backup that it should, and that names only artifacts which are there. It stands before
 * `publish`: an error comes before the state is stored.
 *
 * Consumes and yields `Chunk`, `Sealed` and `Counted`. Order kept. The state is decoded as it passes. Memory: one frame and
 * one line of it, and a name for each artifact of the chain.
 *
 * @throws BackupError IBT_NAME_INVALID, IBT_CODEC_UNKNOWN, IBT_BASIS_MISMATCH, IBT_BASIS_MISSING, IBT_ARCHIVE_TRUNCATED,
 * and what reading the state throws.
 */
export function checkSent(expected: Expected): Stage<Chunk | Sealed | Counted> {
  return async function* checkSentStage(source) {
    const sent = new Sent(expected)
    try {
      for await (const item of source) {
        if (isSealed(item)) sent.seal(item)
        else if (isChunk(item)) await sent.add(item)
        else if (!isCounted(item)) continue
        yield item
      }
      await sent.end()
    } finally {
      await sent.close()
    }
  }
}

class Sent {
  readonly #names = new Map<Kind, string>()
  readonly #sealed = new Map<string, SealedArtifact>()
  readonly #state = new Channel<Uint8Array>()
  #reading: Promise<void> | undefined

  constructor(readonly expected: Expected) {}

  async add({ name, kind, bytes }: Chunk): Promise<void> {
    this.#checkName(name, kind)
    if (kind !== 'state') return
    this.#reading ??= this.#read(name)
    this.#reading.catch(() => {})
    // What the reader has stopped for says more than that it has stopped.
    await this.#state.push(bytes).catch(() => this.#reading)
  }

  seal(sealed: Sealed): void {
    this.#checkName(sealed.name, sealed.kind)
    this.#sealed.set(sealed.name, sealed)
  }

  async end(): Promise<void> {
    const name = this.#names.get('state')
    if (name === undefined || !this.#sealed.has(name)) {
      throw new BackupError('IBT_ARCHIVE_TRUNCATED', `The sender has sent no state of ${this.expected.key}`)
    }
    this.#state.end()
    await this.#reading
  }

  async close(): Promise<void> {
    this.#state.fail(new Error('The backup is not complete'))
    await this.#reading?.catch(() => {})
  }

  #checkName(name: string, kind: Kind): void {
    if (this.#names.get(kind) === name) return
    const { key, date, find } = this.expected
    const parsed = parseArtifactName(name)
    const isOwn = parsed?.key === key && parsed.date === date && parsed.asOf === undefined
    if (!isOwn || !KINDS[this.expected.kind].includes(kind) || this.#names.has(kind)) {
      const message = `${name} is not an artifact of the ${this.expected.kind} backup of ${key} of ${date}`
      throw new BackupError('IBT_NAME_INVALID', message, { path: name })
    }
    if (find(parsed.suffixes) === undefined) throw unknownCodec(name)
    this.#names.set(kind, name)
  }

  async #read(name: string): Promise<void> {
    const codec = this.expected.find(parseArtifactName(name)!.suffixes)!
    const state = await openState(decodeFrames(this.#state, codec, name))
    try {
      checkHeader(state.header, this.expected)
      await this.#checkEntries(state)
    } finally {
      await state.close()
    }
  }

  async #checkEntries(state: StateReader): Promise<void> {
    const { date: own, key, inherited } = this.expected
    const check = new EntryCheck()
    const used = new Set<string>()
    let entries = 0
    for await (const entry of state.entries()) {
      check.add(entry)
      entries++
      for (const place of entry.places ?? []) used.add(`${place.in} ${place.date}`)
      if (entry.signature !== undefined) used.add(`sigvault ${entry.signature.date}`)
    }
    const { artifacts, totals } = state.closing()
    const there = new Map<string, SealedArtifact>(inherited.map(artifact => [artifact.name, artifact]))
    for (const { name, kind, date, sizeBytes, sha256 } of artifacts) {
      const found = date === own ? this.#sealed.get(name) : there.get(name)
      if (found?.kind !== kind || found.sizeBytes !== sizeBytes || found.sha256 !== sha256) throw missing(name)
      used.delete(`${kind} ${date}`)
    }
    for (const what of used) throw missing(`The ${what.replace(' ', ' of ')}`)
    if (entries === totals.entries) return
    const message = `The state of ${own} has ${entries} entries, not the ${totals.entries} that it counts`
    throw new BackupError('IBT_STATE_INVALID', message, { path: key })
  }
}

function checkHeader({ key, date, kind, chain, standsFor }: StateHeader, expected: Expected): void {
  if (key !== expected.key || date !== expected.date || kind !== expected.kind || standsFor !== undefined) {
    const message = `The state that was sent is of ${key} of ${date}, not of ${expected.key} of ${expected.date}`
    throw new BackupError('IBT_STATE_INVALID', message, { path: key })
  }
  const plain = (links: readonly ChainLink[]) =>
    JSON.stringify(links.map(({ date, stateSha256, asOf }) => [date, stateSha256, asOf]))
  if (plain(chain) === plain([...expected.links, { date }])) return
  throw new BackupError('IBT_BASIS_MISMATCH', `The state of ${date} builds on other backups than those in the store`, {
    path: key
  })
}

function missing(name: string): BackupError {
  return new BackupError('IBT_BASIS_MISSING', `${name} is needed by the state that was sent, and is not there`, {
    path: name
  })
}
