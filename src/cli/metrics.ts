import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Operation, type RunTrace, runChannel } from '../flow/tracing.js'

/** What each metric says. All are gauges with the labels `operation` and `key`. */
const HELP = {
  ibt_run_time_seconds: 'When the newest run ended, in seconds since 1970.',
  ibt_run_success_time_seconds: 'When the newest run ended that did what it had to (exit code 0).',
  ibt_run_exit_code: 'Exit code of the newest run.',
  ibt_run_duration_seconds: 'How long the newest run took.',
  ibt_stored_bytes: 'Bytes that the newest run stored.',
  ibt_source_bytes: 'Bytes of the files in the source.',
  ibt_source_files: 'Files in the source.',
  ibt_created_entries: 'Entries that were new to the newest run.',
  ibt_updated_entries: 'Entries with other contents than before.',
  ibt_deleted_entries: 'Entries that were gone.',
  ibt_skipped_entries: 'Entries that could not be read, or changed while they were read.',
  ibt_problems: 'Problems that the newest run found.'
}

type Metric = keyof typeof HELP
type Sample = readonly [metric: Metric, value: number]

const LINE = /^(\w+)(\{.*\}) (\S+)$/

/**
 * Writes what the runs of a command come to into a file, in the text form of Prometheus, for the textfile collector of
 * its node exporter. Lines of other operations and keys stay, so that all commands can share a file; a run that fails
 * leaves the time of the last success. The file appears as a whole.
 */
export class Metrics {
  readonly #runs: { readonly trace: RunTrace; readonly ms: number }[] = []
  readonly #codes = new Map<string, number>()
  readonly #startedMs = Date.now()
  readonly #listener = (trace: unknown) => {
    this.#runs.push({ trace: trace as RunTrace, ms: Date.now() - this.#startedMs })
  }

  constructor(
    readonly path: string,
    readonly operation: Operation
  ) {
    runChannel.asyncEnd.subscribe(this.#listener)
  }

  /** Where a command runs for several keys, how the run of one ended. */
  ended(key: string, exitCode: number): void {
    this.#codes.set(key, exitCode)
  }

  /** @throws what the file system throws */
  async write(exitCode: number): Promise<void> {
    runChannel.asyncEnd.unsubscribe(this.#listener)
    this.#addUnstarted()
    if (this.#runs.length === 0) return
    const lines = new Map<string, string>()
    for (const line of (await readFile(this.path, 'utf8').catch(() => '')).split('\n')) {
      const [, metric, labels, value] = LINE.exec(line) ?? []
      if (metric !== undefined && Object.hasOwn(HELP, metric)) lines.set(metric + labels, value!)
    }
    for (const { trace, ms } of this.#runs) {
      const key = keyOf(trace)
      const labels = labelsOf(trace.operation, key)
      const code = this.#codes.get(key) ?? exitCode
      for (const metric of Object.keys(HELP)) {
        if (metric !== 'ibt_run_success_time_seconds') lines.delete(metric + labels)
      }
      for (const [metric, value] of samplesOf(trace, ms, code)) lines.set(metric + labels, String(value))
    }
    await replaceFile(this.path, render(lines))
  }

  /** What ended before it began: a hook in front of it has failed, or its options were wrong. */
  #addUnstarted(): void {
    const ran = new Set(this.#runs.map(({ trace }) => keyOf(trace)))
    for (const key of this.#codes.keys()) {
      if (!ran.has(key)) this.#runs.push({ trace: { operation: this.operation, key }, ms: 0 })
    }
  }
}

function samplesOf({ result }: RunTrace, ms: number, exitCode: number): Sample[] {
  const now = Date.now() / 1000
  const { storedBytes, skippedEntries, problems, totals } = Object(result) as Record<string, unknown>
  const { sizeBytes, files, created, updated, deleted } = Object(totals) as Record<string, unknown>
  const found: Record<Metric, unknown> = {
    ibt_run_time_seconds: now,
    ibt_run_success_time_seconds: exitCode === 0 ? now : undefined,
    ibt_run_exit_code: exitCode,
    ibt_run_duration_seconds: ms / 1000,
    ibt_stored_bytes: storedBytes,
    ibt_source_bytes: sizeBytes,
    ibt_source_files: files,
    ibt_created_entries: created,
    ibt_updated_entries: updated,
    ibt_deleted_entries: deleted,
    ibt_skipped_entries: skippedEntries,
    ibt_problems: Array.isArray(problems) ? problems.length : undefined
  }
  return (Object.entries(found) as [Metric, unknown][]).flatMap(([metric, value]) =>
    typeof value === 'number' ? [[metric, value] as const] : []
  )
}

function keyOf({ key, result }: RunTrace): string {
  return String(key ?? (Object(result) as { readonly key?: unknown }).key ?? '')
}

function labelsOf(operation: string, key: string): string {
  const text = key.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
  return `{operation="${operation}",key="${text}"}`
}

function render(lines: ReadonlyMap<string, string>): string {
  const sorted = [...lines].sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.entries(HELP)
    .map(([metric, help]) => {
      const samples = sorted.filter(([name]) => name.startsWith(`${metric}{`))
      if (samples.length === 0) return ''
      const head = `# HELP ${metric} ${help}\n# TYPE ${metric} gauge\n`
      return head + samples.map(([name, value]) => `${name} ${value}\n`).join('')
    })
    .join('')
}

/** The collector reads names that end in `.prom`, and never a part of a file. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.tmp`)
  try {
    await writeFile(temporary, text, { flag: 'wx', mode: 0o644 })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
