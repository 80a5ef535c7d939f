import type { Change, ChangeKind } from '../types.js'
import { changeLine } from './commands/diff.js'
import { formatBytes } from './format.js'

export interface PlannedChangesOptions {
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
}

/** Lists the changes that a dry run would make, as `ibt diff` does, and counts them. */
export class PlannedChanges {
  readonly #counts: Record<Exclude<ChangeKind, 'unchanged'>, number> = {
    created: 0,
    updated: 0,
    touched: 0,
    deleted: 0
  }

  constructor(
    readonly output: NodeJS.WritableStream,
    readonly options: PlannedChangesOptions
  ) {}

  readonly onChange = (change: Change): void => {
    if (change.change !== 'unchanged') this.#counts[change.change]++
    if (this.options.json || !this.options.quiet) this.output.write(changeLine(change, this.options))
  }

  line({ unchangedEntries, sizeBytes }: { readonly unchangedEntries: number; readonly sizeBytes: number }): string {
    const { created, updated, touched, deleted } = this.#counts
    return `  ${created} created, ${updated} updated, ${touched} touched, ${deleted} deleted, ${unchangedEntries} unchanged; files of ${formatBytes(sizeBytes)}`
  }
}
