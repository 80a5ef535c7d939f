import { type BackupSummary, listBackups, type UnreadableBackup } from '../../catalog/backups.js'
import { type FoundVersion, findEntries } from '../../catalog/find.js'
import type { BackupError } from '../../errors.js'
import { type CommonValues, toPlaceOptions } from '../common-options.js'
import { describeError, Exit, exitCode } from '../exit.js'
import { Output, say } from '../output.js'
import { BACKUP_COLUMNS, type Cell, type Columns, cells, FOUND_COLUMNS } from '../rows.js'
import { sayNoBackup } from './list.js'

/** Rows of one statement: few enough for every database's limit on a statement. */
const ROWS_TOGETHER = 200
const INTEGERS = new Set('mode uid gid sizeBytes mtimeNs backups storedBytes entries files'.split(' '))

/**
 * `ibt catalog`. A state that cannot be read costs its own rows. The script ends with COMMIT only if it is whole: what
 * runs a script that was cut off keeps the tables that it had.
 */
export async function runCatalog(key: string | undefined, values: CommonValues, signal: AbortSignal): Promise<number> {
  const output = new Output()
  const options = toPlaceOptions(values, signal)
  const errors: BackupError[] = []
  const onError = (error: BackupError) => {
    errors.push(error)
    if (!values.quiet) say(`ibt: ${describeError(error)}\n`)
  }
  const backups = new Table<BackupSummary | UnreadableBackup>(output, 'ibt_backups', BACKUP_COLUMNS)
  const entries = new Table<FoundVersion>(output, 'ibt_entries', FOUND_COLUMNS)
  await output.write('BEGIN;\n')
  await backups.fill(listBackups(key, options))
  if (backups.isEmpty) await sayNoBackup(key, values)
  await entries.fill(findEntries(key, '**', { ...options, onError }))
  await output.write('COMMIT;\n')
  await output.end()
  return errors[0] === undefined ? Exit.done : exitCode(errors[0])
}

/** Statements that make a table anew. Memory: `ROWS_TOGETHER` rows. */
class Table<T> {
  isEmpty = true
  #rows: string[] = []

  constructor(
    readonly output: Output,
    readonly name: string,
    readonly columns: Columns<T>
  ) {}

  async fill(rows: AsyncIterable<T>): Promise<void> {
    const { name, columns } = this
    const types = Object.keys(columns).map(column => `${snake(column)} ${typeOf(column)}`)
    await this.output.write(`DROP TABLE IF EXISTS ${name};\nCREATE TABLE ${name} (${types.join(', ')});\n`)
    for await (const row of rows) {
      this.isEmpty = false
      this.#rows.push(`(${cells(columns, row).map(literal).join(',')})`)
      if (this.#rows.length === ROWS_TOGETHER) await this.#insert()
    }
    await this.#insert()
  }

  async #insert(): Promise<void> {
    if (this.#rows.length === 0) return
    await this.output.write(`INSERT INTO ${this.name} VALUES\n${this.#rows.join(',\n')};\n`)
    this.#rows = []
  }
}

function typeOf(column: string): string {
  if (column === 'isCurrent') return 'BOOLEAN'
  return INTEGERS.has(column) ? 'BIGINT' : 'TEXT'
}

function literal(cell: Cell): string {
  if (cell === undefined) return 'NULL'
  return typeof cell === 'string' ? `'${cell.replaceAll("'", "''")}'` : String(cell)
}

/** As columns are named in SQL, which knows no case: `size_bytes`. */
function snake(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}
