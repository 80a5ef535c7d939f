import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { runIbt, type Said } from './warm-ibt.js'

export const BIN = fileURLToPath(new URL('../../../bin/ibt.cjs', import.meta.url))

/** What a process of `ibt` has said and how it ended. */
export interface Ended extends Said {
  readonly signal: NodeJS.Signals | null
}

/** A directory to run `ibt` in, with `store` and `cache` in it, for the time of a test. */
export class Desk {
  readonly path: string
  readonly env: NodeJS.ProcessEnv
  readonly #started: Running[] = []

  constructor(t: TestContext) {
    this.path = mkdtempSync(join(tmpdir(), 'ibt desk '))
    t.after(() => {
      // A test that failed may have left one stopped: the file's own process would wait for it for ever.
      for (const { child } of this.#started) child.kill('SIGKILL')
      rmSync(this.path, { recursive: true, force: true })
    })
    this.env = { ...process.env, IBT_STORE: 'store', IBT_CACHE: 'cache' }
  }

  at(...parts: string[]): string {
    return join(this.path, ...parts)
  }

  /** Runs a command, in a process that may have run others before. */
  ibt(...args: string[]): Ended {
    return { ...runIbt(args, { cwd: this.path, env: this.env }), signal: null }
  }

  /** Runs a command in a process of its own: for what only a fresh one shows, such as the time that it takes. */
  alone(...args: string[]): Ended {
    const { path: cwd, env } = this
    return spawnSync(process.execPath, [BIN, ...args], { cwd, env, encoding: 'utf8' })
  }

  /** Starts `ibt` and lets it run. */
  start(args: readonly string[], options: SpawnOptions = {}): Running {
    const child = spawn(process.execPath, [BIN, ...args], { cwd: this.path, env: this.env, ...options })
    const running = new Running(child)
    this.#started.push(running)
    return running
  }
}

/** A process of `ibt` that runs. */
export class Running {
  readonly ended: Promise<Ended>
  #stdout = ''
  #stderr = ''

  constructor(readonly child: ChildProcess) {
    child.stdout?.on('data', chunk => (this.#stdout += chunk))
    child.stderr?.on('data', chunk => (this.#stderr += chunk))
    this.ended = once(child, 'close').then(([status, signal]) => ({
      ...{ status, signal },
      stdout: this.#stdout,
      stderr: this.#stderr
    }))
  }

  /** Waits until something is the case; an end before that is an error. */
  async until(isSo: () => boolean): Promise<void> {
    let isOver = false
    this.ended.then(() => (isOver = true))
    while (!isSo()) {
      if (isOver) throw new Error(`It ended too early: ${JSON.stringify(await this.ended)}`)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }

  /** Stops it where it is; once this resolves, it does nothing any more. */
  async stop(): Promise<void> {
    this.child.kill('SIGSTOP')
    const tasks = `/proc/${this.child.pid}/task`
    // Each thread by itself: one that is in the kernel first ends what it does there.
    const isStill = (task: string) => {
      try {
        return /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'latin1'))
      } catch {
        // It has ended.
        return true
      }
    }
    await this.until(() => readdirSync(tasks).every(isStill))
  }
}
