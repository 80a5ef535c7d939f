import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'

/**
 * Runs a module in a process of its own. It says a word when it has come where it waits for what never comes: there it
 * stays, however slow the machine is. Resolves then, to what kills the process and waits for its end.
 */
export async function startParked(t: TestContext, script: string, ...args: string[]): Promise<() => Promise<void>> {
  const all = ['--input-type=module', '-e', `setInterval(() => {}, 1000)\n${script}`, ...args]
  const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  const ended = once(child, 'exit')
  const isParked = await Promise.race([once(child.stdout, 'data').then(() => true), ended.then(() => false)])
  assert.ok(isParked, 'it has ended before it was parked')
  return async () => {
    child.kill('SIGKILL')
    assert.deepEqual(await ended, [null, 'SIGKILL'])
  }
}
