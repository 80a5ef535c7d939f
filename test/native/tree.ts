import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { LEAVE, LEAVE_TIME, type OperationColumns, operate } from '../../src/native.js'

/** A directory that goes away after the test, whatever its depth. */
export function temporaryDirectory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ibt-native-'))
  t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 3 }))
  return path
}

/** Bytes that depend on the seed only. */
export function randomBytes(length: number, seed: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length)
  let state = seed >>> 0 || 1
  for (let i = 0; i < length; i++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    bytes[i] = state
  }
  return bytes
}

/** Strings one behind the other, each ended by NUL. */
export function terminated(names: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(names.flatMap(name => [Buffer.from(name as string), Buffer.of(0)]))
}

/** The strings of a column, as binary (latin1) strings. */
export function split(column: Buffer): string[] {
  return column.toString('latin1').split('\0').slice(0, -1)
}

export interface Step {
  readonly code: number
  readonly path: string | Uint8Array
  readonly other?: string | Uint8Array
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly mtimeNs?: bigint
  readonly body?: Uint8Array
}

/** Operations as columns. */
export function columnsOf(steps: readonly Step[]): OperationColumns {
  const offsets = [0]
  for (const step of steps) offsets.push(offsets.at(-1)! + (step.body?.length ?? 0))
  return {
    codes: Uint8Array.from(steps, step => step.code),
    paths: terminated(steps.map(step => step.path)),
    others: terminated(steps.map(step => step.other ?? '')),
    modes: Uint32Array.from(steps, step => step.mode ?? LEAVE),
    uids: Uint32Array.from(steps, step => step.uid ?? LEAVE),
    gids: Uint32Array.from(steps, step => step.gid ?? LEAVE),
    mtimesNs: BigInt64Array.from(steps, step => step.mtimeNs ?? LEAVE_TIME),
    slab: Buffer.concat(steps.map(step => step.body ?? Buffer.alloc(0))),
    offsets: Float64Array.from(offsets)
  }
}

/** Does the steps below the root and yields their error numbers. */
export async function run(root: string, ...steps: Step[]): Promise<number[]> {
  return [...(await operate(Buffer.from(root), columnsOf(steps)))]
}
