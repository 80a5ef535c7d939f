import { hostname } from 'node:os'
import { resolve } from 'node:path'
import type { ChangeDetection } from '../change/compare.js'
import { BackupError } from '../errors.js'
import { nextDate, pastDate } from '../format/dates.js'
import { checkKey, keyFromPath } from '../format/names.js'
import { SIGNATURE_DIGEST } from '../format/state-encode.js'
import { decodePath, printPath } from '../path.js'
import { checkNamed } from '../places/places.js'
import type { Rules } from '../rules.js'
import type { StoredBackup } from '../stores/backup-names.js'
import type { Chain, NeededArtifact } from '../stores/chain.js'
import { type FoundOrigins, findOrigins } from '../stores/origins.js'
import type {
  Artifact,
  ChainLink,
  Cipher,
  Codec,
  FindChangedBlocks,
  FullReason,
  MergedEntry,
  Origins,
  SignaturePlace,
  StateClosing,
  StateEntry,
  StateHeader,
  Store,
  Totals
} from '../types.js'
import type { RunOptions } from './options.js'

/** What the stages of one backup are made of. */
export interface BackupSettings {
  /** Absolute path of the source. */
  readonly root: string
  /** Absolute path of what is read: the source, or a snapshot of it. */
  readonly readRoot: string
  /** What is left out: the options' rules, and the directories of the store and the cache. */
  readonly rules: Rules
  readonly codec: Codec
  /** What artifacts are encrypted with. */
  readonly cipher: Cipher | undefined
  /** First line of the state that is being made: key, date, kind, chain. */
  readonly header: StateHeader
  /** The store with its cache. Of a dry run: a store that keeps nothing. */
  readonly store: Store
  readonly detection: ChangeDetection | undefined
  /** As that of the options. */
  readonly changedBlocks?: FindChangedBlocks | undefined
  /**
   * For `publish`, which asks when everything is counted: false withdraws the backup.
   *
   * @throws BackupError IBT_SOURCE_SHRUNK; IBT_LOCKED if the lock is not this run's any more.
   */
  readonly commits: (totals: Totals) => Promise<boolean>
  readonly signal: AbortSignal | undefined
}

/** The backup that an incremental builds on. */
export interface Parent {
  readonly date: string
  readonly links: readonly ChainLink[]
  /** What its state requires of its readers, and so the next one does. */
  readonly requires?: readonly string[] | undefined
  /** Its entries, once. */
  readonly entries: () => AsyncIterable<StateEntry>
  /** Those of the entries that had a signature whose sigvault is gone. */
  readonly lostSignatures: WeakSet<StateEntry>
  readonly artifacts: readonly Artifact[]
  /** Reads a signature; undefined if its sigvault is gone. */
  readonly signature: (place: SignaturePlace) => Promise<Uint8Array | undefined>
  /** Finds its contents under other names. */
  readonly origins: Origins
}

export interface Source {
  readonly root: string
  readonly sourceId: string | undefined
  /** Default: this machine. */
  readonly host?: string | undefined
}

/** A parent in a store that can be read. */
export interface StoredParent extends Parent {
  readonly origins: FoundOrigins
  readonly header: StateHeader
  readonly closing: StateClosing
}

/**
 * Opens the newest backup of a chain as the parent of the next.
 *
 * @throws BackupError IBT_BASIS_MISSING if an archive is gone that its entries need.
 */
export async function openParent(chain: Chain, { date }: StoredBackup): Promise<StoredParent> {
  const { header, closing } = await chain.ends(date)
  const lost = await lostArtifact(chain, date)
  if (lost !== undefined) {
    const message = `${lost.name} is not in the store, and the backup of ${date} needs it: make a full backup`
    throw new BackupError('IBT_BASIS_MISSING', message, { path: lost.name })
  }
  const stateSha256 = await chain.digest(header.date, 'state')
  const lostSignatures = new WeakSet<StateEntry>()
  return {
    date,
    header,
    closing,
    requires: header.requires,
    links: header.chain.map(link => (link.date === header.date ? { ...link, stateSha256 } : link)),
    entries: () => entriesOf(chain, header, closing, lostSignatures),
    lostSignatures,
    // Those that merged ones stand for are named on, also when they are gone.
    artifacts: closing.artifacts.filter(
      artifact => artifact.kind !== 'sigvault' || chain.has(artifact.date, 'sigvault')
    ),
    signature: chain.signature,
    origins: findOrigins(chain, date)
  }
}

/** An archive or a state that a restore of a date needs and that is not in the store. */
export async function lostArtifact(chain: Chain, date: string): Promise<NeededArtifact | undefined> {
  const needed = await chain.needs(date)
  return needed.find(({ kind, date }) => kind !== 'sigvault' && !chain.has(date, kind))
}

/** The entries of a state as it was written, without signatures whose sigvault has been deleted. A backup that stored none has lost none. */
function entriesOf(
  chain: Chain,
  header: StateHeader,
  closing: StateClosing,
  lostSignatures: WeakSet<StateEntry>
): AsyncIterable<StateEntry> {
  const lost = lostSigvaults(chain, closing)
  const entries = chain.writtenEntries(header.date)
  return lost.size === 0 && header.standsFor === undefined ? entries : asParent(entries, lost, lostSignatures)
}

/** Dates of the sigvaults that a state names and that have been deleted. */
export function lostSigvaults(chain: Chain, { artifacts }: StateClosing): Set<string> {
  const sigvaults = artifacts.filter(({ kind }) => kind === 'sigvault')
  return new Set(sigvaults.map(({ date }) => date).filter(date => !chain.has(date, 'sigvault')))
}

/** Entries whose lines cannot be copied: signatures are lost, or a merged state says what they are known as. */
export async function* asParent(
  entries: AsyncIterable<MergedEntry>,
  lost: ReadonlySet<string>,
  lostSignatures: WeakSet<StateEntry>
): AsyncGenerator<StateEntry, void, undefined> {
  for await (const entry of entries) {
    const isLost = entry.signature !== undefined && lost.has(entry.signature.date)
    if (!isLost && entry.knownAs === undefined) yield entry
    else {
      const other: MergedEntry = { ...entry, knownAs: undefined, signature: isLost ? undefined : entry.signature }
      if (isLost) lostSignatures.add(other)
      yield other
    }
  }
}

/** The absolute path of a source, and the key of its backups. @throws RangeError, BackupError IBT_NAME_INVALID */
export function nameSource(source: string | Uint8Array, options: Pick<RunOptions, 'key' | 'readFrom'>) {
  const root = absolutePath('source', source)
  const { key = keyFromPath(root), readFrom } = options
  checkKey(key)
  return { root, key, readRoot: readFrom === undefined ? root : absolutePath('snapshot', readFrom) }
}

function absolutePath(what: string, path: string | Uint8Array): string {
  return resolve(checkNamed(what, typeof path === 'string' ? path : decodePath(path)))
}

/** @throws BackupError IBT_SOURCE_MISMATCH if the newest backup is of another source */
export function checkSource(parent: StateHeader, source: Source): void {
  const { root, sourceId, host = hostname() } = source
  const isSame = sourceId === undefined && parent.sourceId === undefined && parent.root === root && parent.host === host
  if (isSame || (sourceId !== undefined && sourceId === parent.sourceId)) return
  const was = parent.sourceId ?? `${printPath(parent.root)} of host ${parent.host}`
  const is = sourceId ?? `${printPath(root)} of host ${host}`
  const message = `The backups of ${parent.key} are of another source: ${was}, not ${is}`
  throw new BackupError('IBT_SOURCE_MISMATCH', message, { path: root })
}

/** The date of the next backup: later than the newest. @throws BackupError IBT_CLOCK */
export function chooseDate(newest: string | undefined, wanted?: Date | undefined): string {
  const now = Date.now()
  return wanted === undefined ? nextDate(now, newest) : pastDate(wanted.getTime(), now, newest)
}

export function makeHeader(
  key: string,
  source: Source,
  date: string,
  {
    parent,
    fullReason,
    changedBlocks
  }: {
    readonly parent?: Pick<Parent, 'links' | 'requires'> | undefined
    readonly fullReason?: FullReason | undefined
    readonly changedBlocks?: FindChangedBlocks | undefined
  }
): StateHeader {
  const { root, sourceId } = source
  const requires = new Set(parent?.requires)
  // Known beforehand: the header is written before the first entry.
  if (changedBlocks !== undefined && parent !== undefined) requires.add(SIGNATURE_DIGEST)
  return {
    key,
    kind: parent === undefined ? 'full' : 'incremental',
    date,
    startedNs: BigInt(Date.now()) * 1_000_000n,
    root,
    host: hostname(),
    sourceId,
    fullReason,
    chain: [...(parent?.links ?? []), { date }],
    requires: [...requires]
  }
}
