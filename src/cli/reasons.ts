import type { StoredFile, StoredReason } from '../change/largest.js'
import { printPath } from '../path.js'
import type { MapsReport } from '../pipelines/options.js'
import type { FullReason, UnusedMapReason } from '../types.js'
import { formatBytes, formatCount } from './format.js'

const STORED: Readonly<Record<Exclude<StoredReason, 'full'>, string>> = {
  new: 'new file',
  retyped: 'was not a file before',
  delta: 'delta',
  'too-small': 'whole: too small for a delta',
  'no-signature': 'whole: the previous version has no signature',
  'signature-lost': 'whole: the signature of the previous version is gone',
  'chain-too-long': 'whole: there were too many deltas on it',
  'chain-too-large': 'whole: its deltas had become as large as it is',
  'nothing-in-common': 'whole: nothing in common with the previous version',
  'delta-too-large': 'whole: a delta would have saved too little',
  'not-compared': 'whole: the pipeline compared no contents',
  unknown: 'whole: what would say why is not in the store any more'
}

const FULL: Readonly<Record<FullReason, string>> = {
  first: 'the first backup of the key',
  asked: 'a full was asked for',
  merged: 'it was made by merging the backups up to then',
  'parent-damaged': 'the newest backup is damaged',
  'parent-locked': 'the newest backup is encrypted, and no key was given that reads it',
  'chain-too-long': 'the chain has as many incrementals as --max-chain allows',
  'restore-too-large': 'a restore reads more than --max-restore-ratio allows'
}

/** Why a backup is a full, for people; a word that a later version wrote stays as it is. */
export function describeFullReason(reason: string): string {
  return Object.hasOwn(FULL, reason) ? FULL[reason as FullReason] : reason
}

const UNUSED_MAP: Readonly<Record<UnusedMapReason, string>> = {
  'other-basis': 'its map begins at another backup',
  'basis-in-doubt': 'what the backup before has of it is in doubt',
  'no-signature': 'the backup before recorded no digest of its signature',
  'no-ranges': 'it cannot be read at any place',
  'most-changed': 'most of it has changed',
  'map-failed': 'its map cannot be read'
}

/** What became of the maps of changed blocks. */
export function mapLines({ files, readBytes, unusedFiles, unused }: MapsReport): string[] {
  const lines = files === 0 ? [] : [`  ${formatCount(files, 'file')} read by map: ${formatBytes(readBytes)}`]
  for (const { path, reason, message } of unused) {
    const why = message === undefined ? UNUSED_MAP[reason] : `${UNUSED_MAP[reason]}: ${printPath(message)}`
    lines.push(`  ${printPath(path)} was read whole: ${why}`)
  }
  if (unusedFiles > unused.length) lines.push(`  ${formatCount(unusedFiles - unused.length, 'more file')} read whole`)
  return lines
}

/** Files with the most stored bytes, a line each, and why: in a full there is only one reason. */
export function largestLines(files: readonly StoredFile[]): string[] {
  return files.map(({ path, storedBytes, reason, dirty }) => {
    const why = [...(reason === 'full' ? [] : [STORED[reason]]), ...(dirty ? ['changed while it was read'] : [])]
    const note = why.length > 0 ? ` (${why.join(', ')})` : ''
    return `  ${formatBytes(storedBytes).padStart(9)}  ${printPath(path)}${note}`
  })
}
