import { toJsonLine } from './json.js'
import type { Output } from './output.js'
import { type Columns, csvHead, csvLine } from './rows.js'

/** How a command writes its rows: for people, unless one of these is given. */
export interface ListingValues {
  readonly json?: boolean | undefined
  readonly format?: 'csv' | 'ndjson' | undefined
}

/** Rows on stdout: lines for people, JSON, or CSV with the names of the columns first. Memory: that of the output. */
export class Listing<T extends object> {
  #isBegun = false

  constructor(
    readonly output: Output,
    readonly values: ListingValues,
    readonly columns: Columns<T>,
    readonly describe: (row: T) => string
  ) {}

  /** No row was written. */
  get isEmpty(): boolean {
    return !this.#isBegun
  }

  async write(row: T): Promise<void> {
    await this.#head()
    this.#isBegun = true
    const { json, format } = this.values
    if (format === 'csv') await this.output.write(csvLine(this.columns, row))
    else await this.output.write(json || format === 'ndjson' ? toJsonLine(row) : `${this.describe(row)}\n`)
  }

  /** A table without rows still has its head. */
  async end(): Promise<void> {
    await this.#head()
    await this.output.end()
  }

  async #head(): Promise<void> {
    if (this.isEmpty && this.values.format === 'csv') await this.output.write(csvHead(this.columns))
  }
}
