import { isStoredSpans, isUnchangedLines, type StoredSpans, type UnchangedLines } from '../../archive/store-spans.js'
import { isMoved } from '../../change/compare.js'
import { Largest, type StoredFile, toStoredFile } from '../../change/largest.js'
import { REPORTED_PATHS } from '../../constants.js'
import { BackupError } from '../../errors.js'
import { batchStage, isBatch } from '../../flow/batches.js'
import { printPath } from '../../path.js'
import { type Batched, isPacked, type MapUse, type Packed, type Piece, type Stage } from '../../types.js'
import type { Parent } from '../backup-run.js'
import type { Progress, RunOptions, UnusedMapOfFile } from '../options.js'

/** Sees every entry that passes, and calls the caller's observers. */
export class Watcher {
  /** Files that were read for nothing but a new ctime or inode. */
  movedFiles = 0
  /** Files that were named and are not there. */
  missingFiles = 0
  /** Files with another content under the same size and mtime: found in this run, and in earlier ones. */
  suspectFiles = 0
  knownSuspects = 0
  readonly suspects: string[] = []
  /** What became of the maps of changed blocks. */
  readonly maps: { files: number; readBytes: number; unusedFiles: number; unused: UnusedMapOfFile[] } | undefined
  /** Directories that did not come from the source. */
  madeDirectories = 0
  /** What the newest backup counted. */
  total: Progress['total']
  readonly #largest = new Largest<StoredFile>()
  #entries = 0
  #files = 0
  #sizeBytes = 0
  #storedBytes = 0
  /** A long content that is being read: its entry has not passed. */
  #reading: { readonly path: string; bytes: number } | undefined

  constructor(
    readonly options: Pick<RunOptions, 'onProgress' | 'onError' | 'detection' | 'rules' | 'changedBlocks'>,
    readonly parent: Parent | undefined
  ) {
    if (options.changedBlocks) this.maps = { files: 0, readBytes: 0, unusedFiles: 0, unused: [] }
    const see = (item: Batched<Packed | Piece>) => this.#seeItem(item)
    this.stage = batchStage<Packed | Piece>(async function* watchStage(source) {
      for await (const item of source) {
        see(item)
        yield item
      }
    })
  }

  /** Lets everything pass; what travels in columns is counted there. */
  readonly stage: Stage<Packed | Piece>

  /** The files of which the most bytes were stored, the largest first. */
  get largest(): readonly StoredFile[] {
    return this.#largest.files
  }

  #seeItem(item: Batched<Packed | Piece>): void {
    if (isStoredSpans(item) || isUnchangedLines(item)) this.#seeSpan(item)
    else for (const single of isBatch(item) ? item : [item]) this.#see(single)
  }

  #seeSpan(span: StoredSpans | UnchangedLines): void {
    this.#entries += span.length
    this.#files += span.files
    this.#sizeBytes += span.sizeBytes
    this.#storedBytes += span.storedBytes
    if (isStoredSpans(span)) {
      if (!this.options.detection?.checksum) this.movedFiles += span.movedFiles
      for (const item of span.larger(this.#largest.minBytes)) this.#addLarge(item)
    }
    if (this.options.onProgress !== undefined) this.#report(span.lastPath())
  }

  #see(item: Packed | Piece): void {
    if (!isPacked(item)) return
    const { onError } = this.options
    this.#count(item)
    if (item.map !== undefined) this.#countMap(item.path, item.map)
    if (item.path === this.#reading?.path) this.#reading = undefined
    if (item.error !== undefined) onError?.(item.error)
    if (item.state?.dirty) onError?.(changedWhileRead(item.path))
    if (item.state?.expectedSha256 !== undefined) this.#suspect(item)
    this.#report(item.path)
  }

  #countMap(path: string, map: MapUse): void {
    const { maps } = this
    if (maps === undefined) return
    if (map.isUsed) {
      maps.files++
      maps.readBytes += map.readBytes
      return
    }
    maps.unusedFiles++
    if (maps.unused.length < REPORTED_PATHS) maps.unused.push({ path, reason: map.reason, message: map.message })
  }

  #suspect(item: Packed): void {
    if (item.change !== 'updated') this.knownSuspects++
    else {
      this.suspectFiles++
      if (this.suspects.length < REPORTED_PATHS) this.suspects.push(item.path)
      this.options.onError?.(bitRot(item))
    }
  }

  #report(path: string): void {
    this.options.onProgress?.({
      path,
      entries: this.#entries,
      files: this.#files,
      sizeBytes: this.#sizeBytes + (this.#reading?.bytes ?? 0),
      storedBytes: this.#storedBytes,
      ...(this.total && { total: this.total })
    })
  }

  /** Some bytes of a long content were read. */
  readonly read = (path: string, bytes: number): void => {
    if (this.#reading?.path === path) this.#reading.bytes += bytes
    else this.#reading = { path, bytes }
    this.#report(path)
  }

  readonly make = (): void => {
    this.madeDirectories++
  }

  readonly miss = (path: string): void => {
    const { onError, rules } = this.options
    this.missingFiles++
    onError?.(new BackupError('IBT_READ_FAILED', `${printPath(path)} was named but does not exist`, { path }))
    rules?.onMissing?.(path)
  }

  #addLarge(item: Packed): void {
    const file = toStoredFile(item, this.parent === undefined ? 'full' : 'incremental')
    const isLost = file.reason === 'no-signature' && this.parent!.lostSignatures.has(item.previous!)
    this.#largest.add(isLost ? { ...file, reason: 'signature-lost' } : file)
  }

  #count(item: Packed): void {
    const { storedBytes, change, state, previous } = item
    this.#storedBytes += storedBytes
    if (storedBytes > this.#largest.minBytes) this.#addLarge(item)
    // It is deleted.
    if (state === undefined) return
    this.#entries++
    if (state.type !== 'file') return
    this.#files++
    this.#sizeBytes += state.sizeBytes ?? 0
    if (change !== 'unchanged' || previous === undefined) return
    if (isMoved(state, previous, this.options.detection)) this.movedFiles++
  }
}

function bitRot({ path, ctimeNs, previous }: Packed): BackupError {
  const isSame = ctimeNs !== undefined && ctimeNs === previous?.ctimeNs
  const cause = isSame ? 'its ctime is the same, too' : 'or a program wrote it and restored its mtime'
  const message = `${printPath(path)} has other bytes than before, but the same size and mtime: bit rot suspected, ${cause}`
  return new BackupError('IBT_BIT_ROT', message, { path })
}

function changedWhileRead(path: string): BackupError {
  return new BackupError('IBT_FILE_CHANGED', `${printPath(path)} changed while it was read`, { path })
}
