import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import {
  type BackupOptions,
  type BackupReport,
  fullBackup,
  type IncrementalStages,
  incrementalBackup,
  type RestoreOptions,
  type RestoreReport,
  type RunOptions,
  restoreBackup
} from '../../src/index.js'
import { assertSameTree, copyTree } from './judges.js'

type Options = BackupOptions<IncrementalStages>

/** A source with its store and cache below one directory, and a naive copy of the source for each of its backups. */
export class NaiveChain {
  readonly source: string
  readonly storePath: string
  readonly cachePath: string
  readonly reports: BackupReport[] = []
  /** Of every run: without stages, which are for one kind of pipeline. */
  readonly options: RunOptions

  constructor(
    readonly base: string,
    options: RunOptions = {}
  ) {
    this.source = join(base, 'source')
    this.storePath = join(base, 'store')
    this.cachePath = join(base, 'cache')
    mkdirSync(this.source, { recursive: true })
    this.options = { store: this.storePath, cache: this.cachePath, key: 'key', ...options }
  }

  async full(options: Options = {}): Promise<BackupReport> {
    return this.#keep(await fullBackup(this.source, { ...this.options, ...options }))
  }

  async incremental(options: Options = {}): Promise<BackupReport> {
    return this.#keep(await incrementalBackup(this.source, { ...this.options, ...options }))
  }

  #keep(report: BackupReport): BackupReport {
    this.reports.push(report)
    copyTree(this.source, this.copy(report.date))
    return report
  }

  /** Where the naive copy of a date is. */
  copy(date: string): string {
    return join(this.base, 'copies', date)
  }

  /** Names in the store, sorted; those of one kind of artifact if it is given. */
  stored(kind = ''): string[] {
    return readdirSync(this.storePath)
      .filter(name => name.includes(kind === '' ? '' : `.${kind}.`))
      .sort()
  }

  /** Where an artifact is. */
  artifact(kind: string, date: string): string {
    return join(this.storePath, this.stored(kind).find(name => name.includes(date))!)
  }

  restore(name: string, options: RestoreOptions = {}): Promise<RestoreReport> {
    const { store, cache, key } = this.options
    return restoreBackup(key!, join(this.base, name), { store, cache, ...options })
  }

  /** Restores a date and lets rsync compare it with the naive copy; gives the place, if it is to be kept. */
  async assertRestores(at: string, options: RestoreOptions & { readonly keep?: boolean } = {}): Promise<string> {
    const { keep = false, ...rest } = options
    const destination = join(this.base, `restored-${at}`)
    await this.restore(`restored-${at}`, { at, ...rest })
    assertSameTree(destination, this.copy(at), at)
    if (!keep) rmSync(destination, { recursive: true })
    return destination
  }
}
