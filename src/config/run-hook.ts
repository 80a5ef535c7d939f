import { type ChildProcess, spawn } from 'node:child_process'
import { HOOK_TIMEOUT_MS } from '../constants.js'
import type { Hook, HookAnswer, HookCommand, HookContext, HookFunction, HookResult } from './hook.js'
import { isArgv } from './hook.js'

/** Characters of a command's output that are remembered: its end. */
const OUTPUT_CHARACTERS = 8 * 1024
/** A command that was told to end has so long before it is killed. */
const KILL_MS = 5000

/** Where and with what a hook runs. */
export interface HookSurroundings {
  readonly cwd: string
  /** Variables for commands beside those of this process. */
  readonly env: Readonly<Record<string, string>>
  /** Ends the hook early. */
  readonly signal?: AbortSignal | undefined
}

/** A hook that has run, and what it answered. */
export interface RanHook {
  readonly result: HookResult
  readonly answer: HookAnswer
}

/** Runs one hook to its end; a hook that fails is a result, too. Memory: the end of its output. */
export async function runHook(
  hook: Hook,
  context: Omit<HookContext, 'signal'>,
  surroundings: HookSurroundings
): Promise<RanHook> {
  const started = Date.now()
  const command: HookCommand | undefined =
    typeof hook === 'function' ? undefined : isArgv(hook) ? { command: hook } : (hook as HookCommand)
  const timeoutMs = command?.timeoutMs ?? HOOK_TIMEOUT_MS
  const timeout = new AbortController()
  const timer = setTimeout(() => timeout.abort(new Error(`It took longer than ${timeoutMs} ms`)), timeoutMs)
  const signal = AbortSignal.any([timeout.signal, ...(surroundings.signal ? [surroundings.signal] : [])])
  const ended = (failure: Partial<HookResult>, answer: HookAnswer = {}): RanHook => {
    const { event } = context
    const elapsedMs = Date.now() - started
    return { result: { event, isFailed: failure.message !== undefined, ...failure, elapsedMs }, answer }
  }
  try {
    if (command !== undefined) return ended(await runCommand(command, surroundings, signal), { path: command.path })
    return ended({}, await callHook(hook as HookFunction, { ...context, signal }))
  } catch (error) {
    return ended({ message: error instanceof Error ? error.message : String(error) })
  } finally {
    clearTimeout(timer)
  }
}

/** A function that does not listen to its signal is left behind. */
async function callHook(hook: HookFunction, context: HookContext): Promise<HookAnswer> {
  const { signal } = context
  signal.throwIfAborted()
  let onAbort = () => {}
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    const answer: unknown = await Promise.race([hook(context), aborted])
    const path = typeof answer === 'object' && answer !== null && 'path' in answer ? answer.path : undefined
    if (path !== undefined && typeof path !== 'string') throw new TypeError('path in its answer is not text')
    return { path }
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function runCommand(
  { command, shell, env }: HookCommand,
  surroundings: HookSurroundings,
  signal: AbortSignal
): Promise<Partial<HookResult>> {
  signal.throwIfAborted()
  const [program, ...args] = command ?? [shell!]
  // Of a process group of its own: the terminal's Ctrl-C must not end what cleans up.
  const child = spawn(program!, args, {
    cwd: surroundings.cwd,
    env: { ...process.env, ...surroundings.env, ...env },
    shell: command === undefined,
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true
  })
  const output = new OutputTail(child)
  const stop = () => stopGroup(child)
  signal.addEventListener('abort', stop, { once: true })
  try {
    const { exitCode, by } = await endOf(child)
    if (signal.aborted) return { message: (signal.reason as Error).message, output: output.text }
    if (exitCode === 0) return { exitCode }
    const message = exitCode === undefined ? `It was ended by ${by}` : `It ended with exit code ${exitCode}`
    return { exitCode, message, output: output.text }
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The end of a command itself: what it left in the background may hold its output open. */
function endOf(child: ChildProcess): Promise<{ readonly exitCode: number | undefined; readonly by: string | null }> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, by) => {
      const end = () => resolve({ exitCode: code ?? undefined, by })
      // What it has written is on its way; a background process would keep the pipes open for ever.
      const timer = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
        end()
      }, 500)
      child.once('close', () => {
        clearTimeout(timer)
        end()
      })
    })
  })
}

function stopGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return
  const kill = (name: NodeJS.Signals) => {
    try {
      process.kill(-pid, name)
    } catch {
      // It has ended.
    }
  }
  kill('SIGTERM')
  setTimeout(() => kill('SIGKILL'), KILL_MS).unref()
}

/** The end of what a command prints on both of its outputs. */
class OutputTail {
  text = ''

  constructor({ stdout, stderr }: ChildProcess) {
    for (const stream of [stdout, stderr]) {
      stream?.setEncoding('utf8').on('data', chunk => {
        this.text = (this.text + chunk).slice(-OUTPUT_CHARACTERS)
      })
    }
  }
}
