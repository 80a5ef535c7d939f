import { BATCH_BYTES } from '../constants.js'
import type { BackupError } from '../errors.js'
import { toBatch } from '../flow/batches.js'
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
import { type DiskContent, isNotFound, noFile, readFailed } from '../source/disk.js'
import { SecondLook } from '../source/second-look.js'
import type { Batch, Entry, Signed, Summary } from '../types.js'
import { decideBody, withStat } from './decide-body.js'
import { batchOptions } from './policy.js'
import type { SignContext } from './stream-body.js'

/** Room for what files have grown by since they were listed. */
const GROWTH_BYTES = 64 * 1024
const SLAB_STEP_BYTES = BATCH_BYTES + GROWTH_BYTES
const NUL = Buffer.alloc(1)

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
export type ReadResult = Signed | Failed | Deferred

/** A file to be read: where its content is says the content, and nothing else. */
export interface DiskFile extends Entry {
  readonly content: DiskContent
}

/**
 * Opens, reads, hashes and signs files below one root in one native job, in order.
 * Memory: their contents, as views of one slab that is leased with the batch.
 */
export async function readBatch(
  root: Uint8Array,
  files: readonly DiskFile[],
  context: SignContext
): Promise<Batch<ReadResult>> {
  const { policy, pool, signal } = context
  const names = Buffer.concat(files.flatMap(({ content }) => [encodePath(content.path), NUL]))
  const wanted = files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, GROWTH_BYTES)
  // Few sizes: a buffer of one batch fits the next.
  const lease = pool.lease(SLAB_STEP_BYTES * Math.ceil(wanted / SLAB_STEP_BYTES))
  const batch = await readFiles(root, names, files.length, lease.bytes, batchOptions(policy), signal)
  const results: ReadResult[] = []
  const second = new SecondLook(root, signal)
  for (const [i, file] of files.entries()) {
    const failed = unread(file, batch, i)
    if (failed !== undefined) {
      const isMissing = failed instanceof Failed && isNotFound(failed.error)
      results.push(isMissing && !(await second.isListed(file.content.path)) ? new Failed(file) : failed)
    } else {
      const bytes = lease.bytes.subarray(batch.offsets[i]!, batch.offsets[i + 1]!)
      results.push(await decideBody(withStat(file, batch, i), { bytes, summary: summaryOf(batch, i) }, context))
    }
  }
  return toBatch(results, lease)
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

export function isSigned({ signatureOffsets }: FileBatch, i: number): boolean {
  return signatureOffsets[i]! < signatureOffsets[i + 1]!
}

/** SHA-256 of a file of a batch that was read, in hex. */
export function digestOf(batch: FileBatch, i: number): string {
  return batch.sha256.toString('hex', i * 32, i * 32 + 32)
}

/** What was found in a file of a batch that was read. */
export function summaryOf(batch: FileBatch, i: number): Summary {
  const { signatures, signatureOffsets: at } = batch
  return {
    sizeBytes: batch.sizes[i]!,
    sha256: digestOf(batch, i),
    signature: isSigned(batch, i) ? signatures.subarray(at[i]!, at[i + 1]!) : undefined,
    copies: 0,
    dirty: (batch.flags[i]! & FILE_DIRTY) !== 0 || undefined,
    racy: (batch.flags[i]! & FILE_RACY) !== 0 || undefined
  }
}
