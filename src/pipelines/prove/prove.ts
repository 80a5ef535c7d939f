import { type BackupError, type ErrorCode, isBackupError } from '../../errors.js'
import type { Entry, Sink } from '../../types.js'
import type { Progress } from '../options.js'
import { Losses } from './losses.js'

/** What a proof of entries found. */
export interface Proven {
  readonly entries: number
  /** Files whose content was made and proven. */
  readonly files: number
  readonly sizeBytes: number
}

/** Who is told of what is proven. */
export interface ProveOptions {
  /** Called for every entry that has been proven. */
  readonly onProgress?: ((progress: Progress) => void) | undefined
  /** Called for each file that cannot be made, as it was. */
  readonly onLost?: ((path: string) => void) | undefined
}

/** How entries are proven. */
export interface ProveSinkOptions extends ProveOptions {
  /** Whether contents are made. */
  readonly readData: boolean
  /** Takes every problem: one for an archive that is damaged, however many files are lost with it. */
  readonly report: (error: unknown) => void
  /** A file has been made and proven, or could not be. */
  readonly onFile?: ((path: string, isProven: boolean) => Promise<void> | void) | undefined
}

/** Counts the entries, and with `readData` makes every file. */
export function prove(options: ProveSinkOptions): Sink<Entry, Proven> {
  const { readData, report, onProgress, onLost, onFile } = options
  return async function proveSink(source, { signal } = {}) {
    const counts = { entries: 0, files: 0, sizeBytes: 0 }
    const losses = new Losses()
    const lose = (path: string, error: unknown) => {
      signal?.throwIfAborted()
      onLost?.(path)
      if (!isBackupError(error) || !losses.add(path, error)) report(error)
      return false
    }
    for await (const entry of source) {
      const { path, type } = entry
      counts.entries++
      if (readData && type === 'file') {
        const isProven = await checkContent(entry, counts).catch(error => lose(path, error))
        await onFile?.(path, isProven)
      }
      onProgress?.({ path, ...counts, storedBytes: 0 })
    }
    for (const problem of losses.problems()) report(problem)
    return counts
  }
}

async function checkContent({ content }: Entry, counts: { files: number; sizeBytes: number }): Promise<boolean> {
  let sizeBytes = 0
  for await (const chunk of content?.open() ?? []) sizeBytes += chunk.length
  counts.files++
  counts.sizeBytes += sizeBytes
  return true
}

const REFUSALS: readonly ErrorCode[] = ['IBT_STATE_VERSION', 'IBT_KEY_MISSING', 'IBT_KEY_WRONG']

/** Gathers problems; what is none of them is thrown. */
export class Problems {
  readonly found: BackupError[] = []

  constructor(
    readonly options: {
      readonly signal?: AbortSignal | undefined
      readonly onError?: ((error: BackupError) => void) | undefined
    }
  ) {}

  /** @throws the reason of an abort, and what only a later version, or who has the key, can judge */
  readonly report = (error: unknown): void => {
    const isRefused = isBackupError(error) && REFUSALS.includes(error.code)
    if (this.options.signal?.aborted || isRefused || !isBackupError(error)) throw error
    this.found.push(error)
    this.options.onError?.(error)
  }
}
