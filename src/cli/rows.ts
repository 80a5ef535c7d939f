import type { BackupSummary, UnreadableBackup } from '../catalog/backups.js'
import type { FoundVersion } from '../catalog/find.js'
import { encodePath, isUtf8Path } from '../path.js'
import type { Metadata, StateEntry } from '../types.js'
import { UsageError } from './exit.js'

/** What one cell of a table holds: nothing where a row has no such value. */
export type Cell = string | number | bigint | boolean | undefined

/** The columns of a table, by name, in their order, each with what finds its cell in a row. */
export type Columns<T> = Readonly<Record<string, (row: T) => Cell>>

/** A text that may hold bytes that are not UTF-8: those go into a column of their own. */
function textColumns<N extends keyof Metadata & ('path' | 'uname' | 'gname' | 'linkname')>(name: N): Columns<Metadata> {
  const base64 = ({ [name]: text }: Metadata) =>
    text === undefined || isUtf8Path(text) ? undefined : encodePath(text).toString('base64')
  return { [name]: row => row[name]?.toWellFormed(), [`${name}Base64`]: base64 }
}

const METADATA_COLUMNS: Columns<Metadata & { readonly sha256?: string | undefined }> = {
  ...textColumns('path'),
  type: ({ type }) => type,
  mode: ({ mode }) => mode,
  uid: ({ uid }) => uid,
  gid: ({ gid }) => gid,
  ...textColumns('uname'),
  ...textColumns('gname'),
  sizeBytes: ({ sizeBytes }) => sizeBytes,
  mtimeNs: ({ mtimeNs }) => mtimeNs,
  ...textColumns('linkname'),
  sha256: ({ sha256 }) => sha256
}

/** The columns of an entry: the fields of `--json` that are plain values. */
export const ENTRY_COLUMNS: Columns<StateEntry> = {
  ...METADATA_COLUMNS,
  dirty: ({ dirty }) => dirty,
  carried: ({ carried }) => carried
}

export const FOUND_COLUMNS: Columns<FoundVersion> = {
  key: ({ key }) => key,
  first: ({ first }) => first,
  last: ({ last }) => last,
  backups: ({ backups }) => backups,
  isCurrent: ({ isCurrent }) => isCurrent,
  ...METADATA_COLUMNS
}

export const BACKUP_COLUMNS: Columns<BackupSummary | UnreadableBackup> = {
  key: ({ key }) => key,
  date: ({ date }) => date,
  kind: ({ kind }) => kind,
  parent: ({ parent }) => parent,
  storedBytes: ({ storedBytes }) => storedBytes,
  entries: ({ totals }) => totals?.entries,
  files: ({ totals }) => totals?.files,
  sizeBytes: ({ totals }) => totals?.sizeBytes,
  error: ({ error }) => error?.code,
  unreadable: ({ totals }) => totals?.unreadable,
  carried: ({ totals }) => totals?.carried,
  dirty: ({ totals }) => totals?.dirty
}

/** @throws UsageError */
export function parseFormat(text: string): 'csv' | 'ndjson' {
  if (text === 'csv' || text === 'ndjson') return text
  throw new UsageError(`'${text}' is not a format: give csv or ndjson`)
}

/** The line with the names of the columns. */
export function csvHead<T>(columns: Columns<T>): string {
  return `${Object.keys(columns).join(',')}\n`
}

/** A row as RFC 4180 has it, but for the end of its line, which is that of a Unix text. */
export function csvLine<T>(columns: Columns<T>, row: T): string {
  return `${cells(columns, row).map(csvCell).join(',')}\n`
}

export function cells<T>(columns: Columns<T>, row: T): Cell[] {
  return Object.values(columns).map(find => find(row))
}

function csvCell(cell: Cell): string {
  if (cell === undefined) return ''
  const text = String(cell)
  // An empty text is not the same as none.
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
