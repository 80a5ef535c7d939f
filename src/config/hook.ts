/** When a hook runs: `before` the work, `after` it however it ended, then one of the other two. */
export type HookEvent = 'before' | 'after' | 'onSuccess' | 'onFailure'

/** What a hook is told. */
export interface HookContext {
  readonly event: HookEvent
  /** Name of the source; undefined for the hooks of a whole run. */
  readonly source?: string | undefined
  readonly key?: string | undefined
  /** Path of the source, as the backup records it. */
  readonly path?: string | undefined
  readonly dryRun: boolean
  /** Date of the backup, once there is one. */
  readonly date?: string | undefined
  /** The exit code so far, once the work has ended. */
  readonly exitCode?: number | undefined
  /** The report of the work, or why it failed: what the file of `IBT_REPORT` holds. */
  readonly report?: object | undefined
  /** Aborts when the hook's time is over and, for `before`, when the run is cancelled. */
  readonly signal: AbortSignal
}

/** What a `before` hook may return. */
export interface HookAnswer {
  /** What is read in the place of the source: a snapshot of it. The recorded root and the key stay the source's. */
  readonly path?: string | undefined
}

/** A hook need not return anything. */
// biome-ignore lint/suspicious/noConfusingVoidType: of a function that returns nothing
export type HookReturn = HookAnswer | undefined | void

/** A hook that is a function. */
export type HookFunction = (context: HookContext) => HookReturn | Promise<HookReturn>

/** A hook that is a command, in the config's directory, with nothing on stdin. Either `command` or `shell` is given. */
export interface HookCommand {
  /** A program and its arguments; no shell reads them. */
  readonly command?: readonly string[] | undefined
  /** A line for the shell. */
  readonly shell?: string | undefined
  /** Of a `before` hook: what is read in the place of the source, if the command succeeds. */
  readonly path?: string | undefined
  /** Further environment variables. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Default: `HOOK_TIMEOUT_MS`. */
  readonly timeoutMs?: number | undefined
}

/** A hook: a function, a program with its arguments, or a command with options. */
export type Hook = HookFunction | readonly string[] | HookCommand

/** Hooks of a source or of a run, one or several for each event. */
export interface HooksConfig {
  /** If it fails, nothing is backed up. */
  readonly before?: Hook | readonly Hook[] | undefined
  /** Always runs once `before` has begun, also after a failure and when the run is cancelled: it cleans up. */
  readonly after?: Hook | readonly Hook[] | undefined
  /** The exit code is 0. */
  readonly onSuccess?: Hook | readonly Hook[] | undefined
  /** The exit code is another one, 3 included: `IBT_EXIT` says which. */
  readonly onFailure?: Hook | readonly Hook[] | undefined
}

/** How a hook ended, for the report. */
export interface HookResult {
  readonly event: HookEvent
  readonly isFailed: boolean
  /** Of a command that ended by itself. */
  readonly exitCode?: number | undefined
  /** Why it failed, in words. */
  readonly message?: string | undefined
  /** The end of what a command that failed has printed. */
  readonly output?: string | undefined
  readonly elapsedMs: number
}

/** The hooks of an event as a list: an argument vector is one hook. */
export function listHooks(hooks: Hook | readonly Hook[] | undefined): readonly Hook[] {
  if (hooks === undefined) return []
  if (!Array.isArray(hooks)) return [hooks as Hook]
  return isArgv(hooks) ? [hooks] : (hooks as readonly Hook[])
}

/** Whether a list is a program with its arguments. */
export function isArgv(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && value.every(item => typeof item === 'string')
}
