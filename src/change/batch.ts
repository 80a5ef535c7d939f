import { BATCH_BYTES } from '../constants.js'
import type { BackupError } from '../errors.js'
import type { Memory } from '../flow/memory.js'
import {
  FILE_DIRTY,
  FILE_NOT_REGULAR,
  FILE_RACY,
  FILE_TOO_LARGE,
  type FileBatch,
  readFiles,
  systemError
} from '../native.js'
import { encodePath } from '../path.js'
import { isNotFound, noFile, readFailed } from '../source/disk.js'
import { SecondLook } from '../source/second-look.js'
import type { Change, Entry, Signed, Summary } from '../types.js'
import { batchOptions } from './policy.js'
import { type Held, settleHeld, wholeBody, withStat } from './settle.js'
import type { SignContext } from './stream-body.js'

/** Room for what files have grown by since they were listed. */
const GROWTH_BYTES = 64 * 1024
const SLAB_STEP_BYTES = BATCH_BYTES + GROWTH_BYTES

/** A file that could not be read. Without an error, it is gone. */
export class Failed {
  constructor(
    readonly entry: Entry,
    readonly error?: BackupError
  ) {}
}

/** An entry whose content streams when its turn comes. */
export class Deferred {
  constructor(readonly entry: Entry) {}
}

/** What became of one file of a batch. */
export type BatchResult = Signed | Failed | Deferred

/**
 * Opens, reads, hashes and signs files below one root in one native job, in order.
 * Memory: their contents, as views of one slab.
 */
export async function readBatch(
  root: Uint8Array,
  entries: readonly Entry[],
  context: SignContext
): Promise<BatchResult[]> {
  const { policy, memory, origins, signal } = context
  const nul = Buffer.alloc(1)
  const names = Buffer.concat(entries.flatMap(entry => [encodePath(entry.path), nul]))
  const slab = takeSlab(entries, memory)
  const batch = await readFiles(root, names, entries.length, slab, batchOptions(policy), signal)
  const results: BatchResult[] = []
  const second = new SecondLook(root, signal)
  for (const [i, entry] of entries.entries()) {
    const failed = unread(entry, batch, i)
    if (failed !== undefined) {
      const isMissing = failed instanceof Failed && isNotFound(failed.error)
      results.push(isMissing && !(await second.isListed(entry.path)) ? new Failed(entry) : failed)
      continue
    }
    const held = toHeld(batch, slab, i)
    const { dirty, racy } = held.summary
    const isNew = (entry as Partial<Change>).previous === undefined
    if (isNew && origins === undefined) results.push(withStat(entry, batch, i, { dirty, racy, body: wholeBody(held) }))
    else results.push(await settleHeld(withStat(entry, batch, i), held, context))
  }
  memory?.lend(slab, results.filter(result => isInSlab(result, slab)).length)
  return results
}

function takeSlab(entries: readonly Entry[], memory: Memory | undefined): Uint8Array {
  const sizeBytes = entries.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, GROWTH_BYTES)
  // Few sizes: a buffer of one batch fits the next.
  return memory?.take(SLAB_STEP_BYTES * Math.ceil(sizeBytes / SLAB_STEP_BYTES)) ?? Buffer.allocUnsafeSlow(sizeBytes)
}

function isInSlab(result: BatchResult, { buffer }: Uint8Array): boolean {
  const parts = result instanceof Failed || result instanceof Deferred ? undefined : result.body?.parts
  return Array.isArray(parts) && parts[0]?.buffer === buffer
}

function unread(entry: Entry, batch: FileBatch, i: number): Failed | Deferred | undefined {
  const errno = batch.errnos[i]!
  const flags = batch.flags[i]!
  if (flags & FILE_TOO_LARGE) return new Deferred(entry)
  if (flags & FILE_NOT_REGULAR) return new Failed(entry, noFile(entry))
  if (errno === 0) return undefined
  const cause = systemError(errno, 'open', entry.path)
  return new Failed(entry, readFailed(entry, cause))
}

function toHeld(batch: FileBatch, slab: Uint8Array, i: number): Held {
  const bytes = slab.subarray(batch.offsets[i]!, batch.offsets[i + 1]!)
  return { bytes, summary: summaryOf(batch, i) }
}

export function isSigned({ signatureOffsets }: FileBatch, i: number): boolean {
  return signatureOffsets[i]! < signatureOffsets[i + 1]!
}

/** What was found in a file of a batch that was read. */
export function summaryOf(batch: FileBatch, i: number): Summary {
  const signature = batch.signatures.subarray(batch.signatureOffsets[i]!, batch.signatureOffsets[i + 1]!)
  return {
    sizeBytes: batch.sizes[i]!,
    sha256: batch.sha256.toString('hex', i * 32, i * 32 + 32),
    signature: signature.length === 0 ? undefined : signature,
    copies: 0,
    dirty: (batch.flags[i]! & FILE_DIRTY) !== 0 || undefined,
    racy: (batch.flags[i]! & FILE_RACY) !== 0 || undefined
  }
}
