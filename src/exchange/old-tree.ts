import { sigvaultBlockLen } from '../change/policy.js'
import { CHUNK_BYTES, SIGNED_MIN_BYTES, SIGVAULT_BLOCK_LEN_MIN } from '../constants.js'
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

/** The signature of an old version; undefined if it is too small for a delta. Memory: one chunk, and the signature. */
export async function signOld({ fd, sizeBytes }: OldVersion, signal?: AbortSignal): Promise<Uint8Array | undefined> {
  if (sizeBytes < SIGNED_MIN_BYTES) return undefined
  const blockLen = sigvaultBlockLen(sizeBytes, { blockLenMin: SIGVAULT_BLOCK_LEN_MIN, blockLenMax: Infinity })
  const scanner = createScanner({ sizeBytes, sign: true, blockLen, strongLen: STRONG_LEN })
  for (let at = 0; at < sizeBytes; ) {
    const chunk = await readChunk(fd, at, Math.min(CHUNK_BYTES, sizeBytes - at))
    if (chunk.length === 0) break
    await scanner.update(chunk, signal)
    at += chunk.length
  }
  return (await scanner.finish(signal)).signature
}
