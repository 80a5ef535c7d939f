import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  encodeXattrs,
  LEAVE,
  LEAVE_TIME,
  type OperationColumns,
  operate,
  type Unset,
  type Xattrs
} from '../../src/native.js'

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
  readonly devMajor?: number
  readonly devMinor?: number
  readonly xattrs?: Xattrs
  readonly body?: Uint8Array
  readonly sha256?: Uint8Array
}

/** Operations as columns. */
export function columnsOf(steps: readonly Step[]): OperationColumns {
  const xattrs = steps.map(step => (step.xattrs === undefined ? new Uint8Array(0) : encodeXattrs(step.xattrs)))
  const bodies = steps.map(step => step.body ?? new Uint8Array(0))
  return {
    codes: Uint8Array.from(steps, step => step.code),
    paths: terminated(steps.map(step => step.path)),
    others: terminated(steps.map(step => step.other ?? '')),
    modes: Uint32Array.from(steps, step => step.mode ?? LEAVE),
    uids: Uint32Array.from(steps, step => step.uid ?? LEAVE),
    gids: Uint32Array.from(steps, step => step.gid ?? LEAVE),
    mtimesNs: BigInt64Array.from(steps, step => step.mtimeNs ?? LEAVE_TIME),
    devMajors: Uint32Array.from(steps, step => step.devMajor ?? 0),
    devMinors: Uint32Array.from(steps, step => step.devMinor ?? 0),
    xattrs: Buffer.concat(xattrs),
    xattrOffsets: offsetsOf(xattrs),
    slab: Buffer.concat(bodies),
    offsets: offsetsOf(bodies),
    digests: Buffer.concat(steps.map(step => step.sha256 ?? Buffer.alloc(32)))
  }
}

function offsetsOf(parts: readonly Uint8Array[]): Float64Array {
  const offsets = [0]
  for (const { length } of parts) offsets.push(offsets.at(-1)! + length)
  return Float64Array.from(offsets)
}

/** Does the steps below the root and yields their error numbers. */
export async function run(root: string, ...steps: Step[]): Promise<number[]> {
  return [...(await operate(Buffer.from(root), columnsOf(steps))).errnos]
}

/** Does the steps below the root and yields the metadata that they could not set. */
export async function unsetBy(root: string, ...steps: Step[]): Promise<readonly Unset[]> {
  return (await operate(Buffer.from(root), columnsOf(steps))).unset
}
