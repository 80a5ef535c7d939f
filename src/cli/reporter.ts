import type { BackupError } from '../errors.js'
import type { Progress } from '../pipelines/options.js'
import { describeError } from './exit.js'
import { toJsonLine } from './json.js'
import { say } from './output.js'
import { ProgressLine } from './progress.js'

const ERRORS_SHOWN = 20
const JSON_PROGRESS_MS = 500

export interface ReporterOptions {
  readonly json?: boolean | undefined
  readonly quiet?: boolean | undefined
  readonly progress?: boolean | undefined
  /** Where events and the report go. Default: stdout. */
  readonly output?: NodeJS.WritableStream | undefined
}

/** Tells a person, or with `--json` a program, what a run does. */
export class Reporter {
  readonly #line: ProgressLine | undefined
  readonly #started = Date.now()
  readonly #output: NodeJS.WritableStream
  #errors = 0
  #toldAt = 0
  #count: ((signal: AbortSignal) => Promise<number>) | undefined
  readonly #counting = new AbortController()

  constructor(
    readonly options: ReporterOptions,
    totalBytes?: number
  ) {
    const { json = false, quiet = false, progress = true, output = process.stdout } = options
    this.#output = output
    const isShown = process.stderr.isTTY && progress && !quiet && !json
    this.#line = isShown ? new ProgressLine(process.stderr, totalBytes) : undefined
  }

  get elapsedMs(): number {
    return Date.now() - this.#started
  }

  /** Bytes to come, once they are known. */
  expect(totalBytes: number): void {
    if (this.#line !== undefined) this.#line.totalBytes = totalBytes
  }

  /** How the bytes to come are counted where a run does not know, and somebody looks. */
  countBy(count: (signal: AbortSignal) => Promise<number>): void {
    this.#count = count
  }

  /** Undefined where nobody looks: to watch every entry has a price. */
  get onProgress(): ((progress: Progress) => void) | undefined {
    return this.#line === undefined && !this.options.json ? undefined : this.#tell
  }

  readonly #tell = (progress: Progress): void => {
    if (progress.total !== undefined) this.expect(progress.total.sizeBytes)
    else if (this.#line !== undefined) this.#startCounting()
    this.#line?.update(progress)
    if (!this.options.json || Date.now() - this.#toldAt < JSON_PROGRESS_MS) return
    this.#toldAt = Date.now()
    this.#output.write(toJsonLine({ event: 'progress', ...progress }))
  }

  #startCounting(): void {
    const count = this.#count
    this.#count = undefined
    // What cannot be counted has no total: the run itself says what is wrong.
    count?.(this.#counting.signal).then(
      bytes => this.expect(bytes),
      () => {}
    )
  }

  readonly onError = (error: BackupError): void => {
    if (this.options.json) this.#output.write(toJsonLine({ event: 'error', error }))
    else if (++this.#errors <= ERRORS_SHOWN) this.warn(describeError(error))
  }

  /** A program wants to know of each file; a person of the archive that is damaged. */
  readonly onLost = (path: string): void => {
    if (this.options.json) this.#output.write(toJsonLine({ event: 'lost', path }))
  }

  /** A line on stderr, or an event. */
  warn(message: string): void {
    this.#line?.clear()
    if (this.options.json) this.#output.write(toJsonLine({ event: 'warning', message }))
    else if (!this.options.quiet) say(`ibt: ${message}\n`)
  }

  /** The final report: an object for programs, lines for people. Returns the exit code. */
  report(report: object, lines: readonly string[], exitCode: number): number {
    this.#line?.clear()
    if (this.#errors > ERRORS_SHOWN) this.warn(`… and ${this.#errors - ERRORS_SHOWN} more`)
    const { elapsedMs } = this
    this.#say({ event: 'report', exitCode, elapsedMs, ...report }, lines)
    return exitCode
  }

  /** What a run is about to do: an event for programs, a table for people. */
  plan(plan: object, lines: readonly string[]): void {
    this.#say({ event: 'plan', ...plan }, lines)
  }

  #say(event: object, lines: readonly string[]): void {
    if (this.options.json) this.#output.write(toJsonLine(event))
    else if (!this.options.quiet) this.#output.write(lines.map(line => `${line}\n`).join(''))
  }

  /** Takes the progress away, whatever comes next. */
  end(): void {
    this.#counting.abort()
    this.#line?.clear()
  }
}
