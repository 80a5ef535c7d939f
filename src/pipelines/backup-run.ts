import { hostname } from 'node:os'
import type { ChangeDetection } from '../change.js'
import { BackupError } from '../errors.js'
import { nextDate } from '../format/dates.js'
import type { StateReader } from '../format/state-reader.js'
import { printPath } from '../path.js'
import type { Rules } from '../rules.js'
import type { Chain } from '../stores/chain.js'
import type { ChainLink, Codec, SignaturePlace, StateHeader, Store, Totals } from '../types.js'

/** All that the stages of one backup are made of. */
export interface BackupRun {
  /** Absolute path of the source. */
  readonly root: string
  readonly rules: Rules
  readonly codec: Codec
  readonly header: StateHeader
  readonly store: Store
  readonly detection: ChangeDetection | undefined
  /** Asked when all is counted: false withdraws the backup. */
  readonly commits: (totals: Totals) => boolean
  readonly signal: AbortSignal | undefined
}

/** The backup that an incremental builds on. */
export interface Parent {
  readonly date: string
  readonly links: readonly ChainLink[]
  readonly state: StateReader
  readonly signature: (place: SignaturePlace) => Promise<Uint8Array | undefined>
}

export interface Source {
  readonly root: string
  readonly sourceId: string | undefined
  readonly allowSourceMismatch: boolean
}

/** Opens the newest backup of a chain as the parent of the next. @throws BackupError IBT_SOURCE_MISMATCH */
export async function openParent(chain: Chain, source: Source): Promise<Parent | undefined> {
  const { newest } = chain
  if (newest === undefined) return undefined
  const { date } = newest
  const state = await chain.state(date)
  if (!source.allowSourceMismatch) checkSource(state.header, source)
  const stateSha256 = await chain.digest(date, 'state')
  const links = state.header.chain.map(link => (link.date === date ? { date, stateSha256 } : link))
  return { date, links, state, signature: chain.signature }
}

function checkSource(parent: StateHeader, { root, sourceId }: Source): void {
  const host = hostname()
  const isSame = sourceId === undefined && parent.sourceId === undefined && parent.root === root && parent.host === host
  if (isSame || (sourceId !== undefined && sourceId === parent.sourceId)) return
  const was = parent.sourceId ?? `${printPath(parent.root)} of host ${parent.host}`
  const is = sourceId ?? `${printPath(root)} of host ${host}`
  throw new BackupError(
    'IBT_SOURCE_MISMATCH',
    `The backups of ${parent.key} are of another source: ${was}, not ${is}`,
    {
      path: root
    }
  )
}

export function makeHeader(
  key: string,
  source: Source,
  newest: string | undefined,
  parent: Parent | undefined
): StateHeader {
  const now = Date.now()
  const date = nextDate(now, newest)
  const { root, sourceId } = source
  return {
    key,
    kind: parent === undefined ? 'full' : 'incremental',
    date,
    startedNs: BigInt(now) * 1_000_000n,
    root,
    host: hostname(),
    sourceId,
    chain: [...(parent?.links ?? []), { date }]
  }
}
