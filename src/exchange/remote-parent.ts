import { decodeFrames } from '../codec/decode-frames.js'
import { codecFromSuffixes } from '../codec/index.js'
import { BackupError } from '../errors.js'
import { openState } from '../format/state-reader.js'
import { entriesWhenPulled } from '../stores/chain.js'
import type { Artifact, BatchSource, ChainLink, MergedEntry, Reading } from '../types.js'
import { STATE_PART_BYTES } from './answers.js'
import type { Asker } from './asker.js'
import { decodeValue, type ParentHello } from './messages.js'

/** Bytes of links and names of artifacts, at most: of a chain of 100,000 backups. */
const FACTS_BYTES = 256 * 1024 * 1024
/** Parts of the state that are under way. */
const PARTS_AHEAD = 4

/** What the receiver tells of the backup that is built on. */
export interface ParentFacts {
  readonly links: readonly ChainLink[]
  /** What its state requires of its readers. An older receiver says nothing. */
  readonly requires?: readonly string[] | undefined
  readonly artifacts: readonly Artifact[]
  /** Dates of sigvaults that are gone. */
  readonly lost: readonly string[]
}

/** @throws BackupError IBT_ARCHIVE_CORRUPT, and the failure of the line */
export async function askFacts(asker: Asker): Promise<ParentFacts> {
  const answer = await asker.ask({ ask: 'parent' }, FACTS_BYTES)
  const { links, requires = [], artifacts, lost } = decodeValue<Partial<ParentFacts>>(answer ?? Buffer.alloc(0))
  const isRead = [links, requires, artifacts, lost].every(Array.isArray)
  if (isRead) return { links: links!, requires, artifacts: artifacts!, lost: lost! }
  throw new BackupError('IBT_ARCHIVE_CORRUPT', 'What the receiver says of its newest backup is damaged')
}

/** The entries of the parent's state, as it is read over the line. Memory: `PARTS_AHEAD` parts, one frame and one line. */
export function remoteEntries(
  asker: Asker,
  { state, suffix }: ParentHello,
  codecs: readonly Reading[]
): BatchSource<MergedEntry> {
  return entriesWhenPulled(() => {
    const codec = codecFromSuffixes(suffix.split('.'), codecs)
    return openState(decodeFrames(stateBytes(asker), codec, state))
  })
}

async function* stateBytes(asker: Asker): AsyncGenerator<Uint8Array, void, undefined> {
  const ask = () => {
    const part = asker.ask({ ask: 'state' }, STATE_PART_BYTES)
    part.catch(() => {})
    return part
  }
  const ahead = Array.from({ length: PARTS_AHEAD }, ask)
  for (;;) {
    const part = await ahead.shift()!
    if (part === undefined) return
    ahead.push(ask())
    yield part
  }
}
