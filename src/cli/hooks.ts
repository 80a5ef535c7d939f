import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HookContext, type HookEvent, type HookResult, type HooksConfig, listHooks } from '../config/hook.js'
import { runHook } from '../config/run-hook.js'
import { BackupError } from '../errors.js'
import { Exit } from './exit.js'

/** How work ended that hooks surround. */
export interface WorkEnd {
  readonly exitCode: number
  /** One line of JSON: the report, or why it failed. */
  readonly json: string
  readonly date?: string | undefined
}

/** What hooks are told of the work that they surround. */
export interface HookFacts extends Pick<HookContext, 'source' | 'key' | 'path'> {
  readonly dryRun: boolean
  /** Of the config: commands run there. */
  readonly directory: string
  readonly signal: AbortSignal
}

/** What came of work and its hooks. */
export interface HookedEnd {
  /** That of the work; 3 if only a hook behind it failed. */
  readonly exitCode: number
  readonly hooks: readonly HookResult[]
}

/**
 * Runs work between hooks. `work` gets the path that a `before` hook has given, or the error of one that failed; it does not
 * throw. What follows it runs also if the signal has aborted.
 */
export async function betweenHooks(
  config: HooksConfig,
  facts: HookFacts,
  work: (before: { readonly path?: string | undefined; readonly error?: BackupError }) => Promise<WorkEnd>
): Promise<HookedEnd> {
  if (Object.keys(config).length === 0) return { exitCode: (await work({})).exitCode, hooks: [] }
  const hooks = new HookRun(config, facts)
  const end = await work(await hooks.before())
  return { exitCode: await hooks.behind(end), hooks: hooks.results }
}

class HookRun {
  readonly results: HookResult[] = []

  constructor(
    readonly config: HooksConfig,
    readonly facts: HookFacts
  ) {}

  /** Runs those in front, up to one that fails. */
  async before() {
    let path: string | undefined
    for (const hook of listHooks(this.config.before)) {
      const { result, answer } = await this.#run(hook, { event: 'before' }, this.facts.signal)
      if (result.isFailed) {
        const message = `The hook 'before' has failed: ${result.message}`
        return { error: new BackupError('IBT_HOOK_FAILED', message, { path: this.facts.source }) }
      }
      path = answer.path ?? path
    }
    return { path }
  }

  /** Runs those behind, all of them. Returns the exit code. */
  async behind(end: WorkEnd): Promise<number> {
    const directory = await mkdtemp(join(tmpdir(), 'ibt-report-'))
    try {
      const file = join(directory, 'report.json')
      await writeFile(file, end.json, { mode: 0o600 })
      const code = await this.#each('after', end, file, end.exitCode)
      if (this.facts.dryRun) return code
      return await this.#each(code === Exit.done ? 'onSuccess' : 'onFailure', end, file, code)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  }

  async #each(event: HookEvent, end: WorkEnd, file: string, exitCode: number): Promise<number> {
    let isFailed = false
    const context = { event, exitCode, date: end.date, report: JSON.parse(end.json) }
    const variables = { IBT_EXIT: String(exitCode), IBT_REPORT: file, ...(end.date && { IBT_DATE: end.date }) }
    for (const hook of listHooks(this.config[event])) {
      const { result } = await this.#run(hook, context, undefined, variables)
      isFailed ||= result.isFailed
    }
    return isFailed && exitCode === Exit.done ? Exit.partial : exitCode
  }

  async #run(
    hook: Parameters<typeof runHook>[0],
    about: Pick<HookContext, 'event' | 'exitCode' | 'date' | 'report'>,
    signal: AbortSignal | undefined,
    variables: Readonly<Record<string, string>> = {}
  ) {
    const { source, key, path, dryRun, directory } = this.facts
    const env = {
      IBT_EVENT: about.event,
      ...(source !== undefined && { IBT_SOURCE: source }),
      ...(key !== undefined && { IBT_KEY: key }),
      ...(path !== undefined && { IBT_PATH: path }),
      ...(dryRun && { IBT_DRY_RUN: '1' }),
      ...variables
    }
    const ran = await runHook(hook, { ...about, source, key, path, dryRun }, { cwd: directory, env, signal })
    this.results.push(ran.result)
    return ran
  }
}

/** What a person reads of hooks that failed. */
export function hookLines(hooks: readonly HookResult[]): string[] {
  return hooks
    .filter(({ isFailed }) => isFailed)
    .flatMap(({ event, message, output = '' }) => [
      `The hook '${event}' has failed: ${message}`,
      ...output.split('\n').flatMap(line => (line.trim() === '' ? [] : [`  ${line.trimEnd()}`]))
    ])
}
