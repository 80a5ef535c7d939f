import { BackupError } from '../../errors.js'
import { EntryCheck } from '../../format/entry-check.js'
import { parseArtifactName } from '../../format/names.js'
import type { Chain, NeededArtifact } from '../../stores/chain.js'
import type { ChainLink, Source, StateClosing, StateEntry, StateHeader, StoredName } from '../../types.js'

/** Takes a problem; whoever reports goes on. */
export type Report = (error: unknown) => void

/** Takes what is worth saying and no problem. */
export type Note = (note: string) => void

/** A state, and the date that was asked for: another one than its own if the backup was merged. */
export interface DatedState {
  readonly date: string
  readonly header: StateHeader
}

/** A state cannot hold its own digest: the one after it has it. */
async function ownLink(chain: Chain, { date, header }: DatedState): Promise<ChainLink> {
  const next = chain.backups.find(backup => backup.date > date)
  const ends = next && (await chain.ends(next.date).catch(() => undefined))
  const own = header.date
  return { date: own, stateSha256: ends?.header.chain.find(link => link.date === own)?.stateSha256 }
}

/** Proves the states of a chain by the digests that later ones have. A state that is gone has been removed: each is complete by itself. */
export async function checkLinks(
  chain: Chain,
  state: DatedState,
  digestOf: (name: string) => Promise<string>,
  { report, note }: { readonly report: Report; readonly note: Note }
): Promise<void> {
  const gone: string[] = []
  const isThere = (asked: string) => chain.backups.some(({ date }) => date === asked)
  for (const { date, asOf = date, stateSha256 } of [...state.header.chain, await ownLink(chain, state)]) {
    if (stateSha256 === undefined) continue
    const artifact = chain.artifacts.find(artifact => artifact.date === date && artifact.kind === 'state')
    if (artifact === undefined) {
      if (!isThere(asOf)) gone.push(asOf)
    } else {
      const found = await digestOf(artifact.name).catch(report)
      if (found !== undefined && found !== stateSha256) {
        report(digestMismatch(`The state of ${date}`, found, stateSha256))
      }
    }
  }
  if (gone.length > 0) {
    const what =
      gone.length === 1
        ? `An earlier backup of the chain, of ${gone[0]}, is`
        : `${gone.length} earlier backups of the chain, the oldest of ${gone[0]}, are`
    note(`${what} not in the store any more`)
  }
}

/** Reports artifacts that are missing or have another size; returns the others. Without a sigvault everything can be restored. */
export function checkArtifacts(
  artifacts: readonly NeededArtifact[],
  stored: ReadonlyMap<string, number>,
  { report, note }: { readonly report: Report; readonly note: Note }
): readonly NeededArtifact[] {
  return artifacts.filter(({ name, kind, sizeBytes }) => {
    const found = stored.get(name)
    if (found === sizeBytes) return true
    if (found !== undefined) {
      const message = `${name} has ${found} bytes, not the ${sizeBytes} that were stored`
      report(new BackupError('IBT_ARCHIVE_TRUNCATED', message, { path: name }))
    } else if (kind === 'sigvault') {
      note(
        `${name} is not in the store: a restore does not need it, but files that it signed are stored whole when they change`
      )
    } else report(new BackupError('IBT_BASIS_MISSING', `${name} is not in the store`, { path: name }))
    return false
  })
}

/** Checks the digest of a whole artifact; false if it is wrong. That of a state is in the states behind it. */
export async function checkDigest(
  { name, sha256 }: NeededArtifact,
  digestOf: (name: string) => Promise<string>,
  report: Report
): Promise<boolean> {
  if (sha256 === undefined) return true
  const found = await digestOf(name).catch(report)
  if (found !== undefined && found !== sha256) report(digestMismatch(name, found, sha256))
  return found === sha256
}

function digestMismatch(what: string, found: string, wanted: string): BackupError {
  return new BackupError('IBT_HASH_MISMATCH', `${what} has the SHA-256 ${found}, not ${wanted}`, { path: what })
}

/** The entries of a state, checked and counted as they pass. */
export class CheckedEntries {
  /** How many have passed, and of them those without a content, and files whose content is suspected of bit rot. */
  entries = 0
  unreadable = 0
  /** How many were erased from all backups. */
  erased = 0
  suspectFiles = 0
  #isComplete = false

  constructor(
    readonly source: Source<StateEntry>,
    readonly report: Report
  ) {}

  /** Reports the first entry that could not be restored where it belongs, which the reader of a state does not look for. */
  async *pass(): AsyncGenerator<StateEntry, void, undefined> {
    let check: EntryCheck | undefined = new EntryCheck()
    for await (const entry of this.source) {
      this.entries++
      if (entry.erased !== undefined) this.erased++
      else if (entry.type === 'unreadable') this.unreadable++
      if (entry.expectedSha256 !== undefined) this.suspectFiles++
      try {
        check?.add(entry)
      } catch (error) {
        check = undefined
        this.report(error)
      }
      yield entry
    }
    this.#isComplete = true
  }

  /** Reports that there were more or fewer than the state says. */
  end({ key, date }: StateHeader, { totals }: StateClosing): void {
    if (!this.#isComplete || this.entries === totals.entries) return
    const message = `The state of ${date} has ${this.entries} entries, not the ${totals.entries} that it counts`
    this.report(new BackupError('IBT_STATE_INVALID', message, { path: key }))
  }
}

/** What is worth saying of a backup from which contents were erased. */
export function erasedNote(count: number): string {
  return `${count} ${count === 1 ? 'file was' : 'files were'} erased from all backups, and cannot be restored`
}

/** States and sigvaults: of archives, parts may be enough. */
export function isReadWhole({ name }: StoredName): boolean {
  const kind = parseArtifactName(name)?.kind
  return kind === 'state' || kind === 'sigvault'
}
