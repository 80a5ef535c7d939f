import { sigvaultBlockLen } from '../change/policy.js'
import { CHUNK_BYTES, PART_BYTES, SIGNED_MIN_BYTES, SIGVAULT_BLOCK_LEN_MIN } from '../constants.js'
import { isBackupError } from '../errors.js'
import { closeDescriptor, createScanner, FileType, type OpenFile, openFile } from '../native.js'
import { baseName, encodePath, isBelow, parentPath, ROOT_PATH } from '../path.js'
import { NOWHERE } from '../restore/destination.js'
import { type Existing, ExistingDirectory } from '../restore/existing.js'
import type { OldVersion } from '../restore/reuse.js'
import { readChunk } from '../source/disk.js'
import type { Metadata } from '../types.js'

/** Bytes of a strong sum: what it misses, the SHA-256 of the content finds, and the file is sent whole. */
const STRONG_LEN = 8
/** Old versions that are so many times as long as the content are not signed. */
const LONGER_MAX = 16

/**
 * What a directory has before it is made equal to a tree: hints of what has to be asked for. Whoever writes looks again.
 * Memory: the listings of the directories that lead to the last entry.
 */
export class OldTree {
  readonly #open: ExistingDirectory[] = []

  /** `root`: a descriptor, or `NOWHERE`: everything is opened by it, and no link is followed. */
  constructor(
    readonly root: number,
    readonly signal: AbortSignal | undefined
  ) {}

  /** What has the name of an entry. Ask in path order. */
  async find({ path, type }: Metadata): Promise<Existing | undefined> {
    const open = this.#open
    while (open.length > 0 && !isBelow(path, open.at(-1)!.path)) open.pop()
    const directory = open.at(-1)
    const there =
      path !== ROOT_PATH && directory?.path === parentPath(path) ? directory.find(baseName(path)) : undefined
    if (type === 'directory' && (path === ROOT_PATH || there?.type === 'directory')) await this.#enter(path)
    return there
  }

  /** Opens an old version of a file; undefined if there is none. */
  async open(path: string): Promise<OldVersion | undefined> {
    const file = await this.#openFile(path)
    if (file === undefined) return undefined
    const { fd, stat } = file
    if (stat.types[0] === FileType.file) return { fd, path, sizeBytes: Number(stat.sizes[0]) }
    await closeDescriptor(fd)
    return undefined
  }

  /** A directory that cannot be listed has nothing: whoever writes says so. */
  async #enter(path: string): Promise<void> {
    if (this.root === NOWHERE) return
    const listed = await this.#hint(ExistingDirectory.list(this.root, path, this.signal))
    if (listed !== undefined) this.#open.push(listed)
  }

  #openFile(path: string): Promise<OpenFile | undefined> {
    return this.#hint(openFile(this.root, encodePath(path), 'read', this.signal))
  }

  async #hint<T>(promise: Promise<T>): Promise<T | undefined> {
    return promise.catch(error => {
      if (this.signal?.aborted || !isBackupError(error)) throw error
      return undefined
    })
  }
}

/**
 * The signature of old versions, one behind the other; undefined if they are too small for a delta of a content, or so much
 * longer that the signature would be longer than what it saves.
 * Memory: one chunk, and the signature: the block length grows with the root of the size, so 4 MB for 100 GiB.
 */
export async function signOld(
  olds: readonly OldVersion[],
  contentBytes: number,
  signal?: AbortSignal
): Promise<Uint8Array | undefined> {
  const sizeBytes = olds.reduce((sum, old) => sum + old.sizeBytes, 0)
  if (sizeBytes < SIGNED_MIN_BYTES || sizeBytes > Math.max(PART_BYTES, LONGER_MAX * contentBytes)) return undefined
  const blockLen = sigvaultBlockLen(sizeBytes, { blockLenMin: SIGVAULT_BLOCK_LEN_MIN, blockLenMax: Infinity })
  const scanner = createScanner({ sizeBytes, sign: true, blockLen, strongLen: STRONG_LEN })
  for (const { fd, sizeBytes } of olds) {
    for (let at = 0; at < sizeBytes; ) {
      const chunk = await readChunk(fd, at, Math.min(CHUNK_BYTES, sizeBytes - at))
      // It has been cut since: what comes behind it would be at another place.
      if (chunk.length === 0) return undefined
      await scanner.update(chunk, signal)
      at += chunk.length
    }
  }
  return (await scanner.finish(signal)).signature
}
