import { tmpdir } from 'node:os'
import { StringDecoder } from 'node:string_decoder'
import { isBackupError } from '../errors.js'
import { Spool } from '../flow/spool.js'
import { FileType, listDirectory, Operation } from '../native.js'
import { joinPath } from '../path.js'
import { splitNames } from '../source/listed.js'
import type { OperationQueue } from './operation-queue.js'

/** What would be deleted of a destination. */
export interface DeleteCounts {
  /** Everything that would be deleted, with all that is below it. */
  readonly deletedEntries: number
  /** That, and all things that have the name of an entry; not the root. */
  readonly existingEntries: number
  /** False before the end: a directory is about to give way to something that is none, and more may come. */
  readonly isComplete: boolean
}

/** Throws to have nothing deleted. */
export type ConfirmDelete = (counts: DeleteCounts) => void | Promise<void>

/** Where deletions take place, with the metadata that it gets back. */
interface Emptied {
  readonly path: string
  readonly mode: number
  readonly mtimeNs: bigint
}

const OWNER_ALL = 0o700
/** Names in one record of the spool. */
const RECORD_NAMES = 1000

/**
 * Deletions that somebody confirms when all of them are known, and that wait until then. Memory: one record, and the
 * listings of what is counted; paths wait in a file without a name.
 */
export class Deletions {
  /** Not in the destination: a dry run writes nothing there, and its root may be one that nobody may write into. */
  readonly #spool = new Spool(tmpdir())
  #deletedEntries = 0
  #metEntries = 0

  constructor(
    readonly root: number,
    readonly confirm: ConfirmDelete,
    readonly signal: AbortSignal | undefined
  ) {}

  /** Something there has the name of an entry. */
  met(): void {
    this.#metEntries++
  }

  /** A directory with all that is in it gives way to an entry at once. @throws what `confirm` throws */
  async givesWay(path: string): Promise<void> {
    // The directory itself has the name of an entry.
    this.#deletedEntries += (await this.#count(path)) - 1
    await this.#confirm(false)
  }

  async add(path: string, isDirectory: boolean): Promise<void> {
    this.#deletedEntries += isDirectory ? await this.#count(path) : 1
  }

  /** What `add` has counted in a directory is to be deleted: these names. @throws BackupError IBT_WRITE_FAILED */
  async defer({ path, mode, mtimeNs }: Emptied, paths: readonly string[]): Promise<void> {
    for (let at = 0; at < paths.length; at += RECORD_NAMES) {
      const record = [path, mode, String(mtimeNs), paths.slice(at, at + RECORD_NAMES)]
      await this.#spool.append(Buffer.from(`${JSON.stringify(record)}\n`))
    }
  }

  /** Deletes what has been deferred if it is confirmed. */
  async run(queue: OperationQueue): Promise<void> {
    await this.#confirm(true)
    for await (const { path, mode, mtimeNs, paths } of this.#records()) {
      if (process.geteuid?.() !== 0 && (mode & OWNER_ALL) !== OWNER_ALL) {
        await queue.add({ code: Operation.setMetadata, path, metadata: { mode: mode | OWNER_ALL } })
      }
      for (const doomed of paths) await queue.add({ code: Operation.remove, path: doomed, deletes: true })
      await queue.add({ code: Operation.setMetadata, path, metadata: { mode, mtimeNs } })
    }
  }

  close(): Promise<void> {
    return this.#spool.close()
  }

  async #confirm(isComplete: boolean): Promise<void> {
    const deletedEntries = this.#deletedEntries
    const existingEntries = deletedEntries + this.#metEntries
    if (deletedEntries > 0) await this.confirm({ deletedEntries, existingEntries, isComplete })
  }

  /** A directory and everything below it on its file system: what is mounted there is not deleted. */
  async #count(path: string): Promise<number> {
    const { signal } = this
    const waiting = [path]
    let count = 1
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const listing = await listDirectory(this.root, next, { signal }).catch(error => {
        if (signal?.aborted || !isBackupError(error)) throw error
        return undefined
      })
      if (listing === undefined) continue
      count += listing.count
      const names = splitNames(listing.names)
      for (const [i, type] of listing.types.entries()) {
        if (type === FileType.directory && listing.devs[i] === listing.dev) waiting.push(joinPath(next, names[i]!))
      }
    }
    return count
  }

  async *#records(): AsyncGenerator<Emptied & { readonly paths: readonly string[] }, void, undefined> {
    const decoder = new StringDecoder('utf8')
    let rest = ''
    for await (const chunk of this.#spool.read({ offset: 0, sizeBytes: this.#spool.sizeBytes })) {
      const lines = (rest + decoder.write(Buffer.from(chunk))).split('\n')
      rest = lines.pop()!
      for (const line of lines) {
        const [path, mode, mtimeNs, paths] = JSON.parse(line)
        yield { path, mode, mtimeNs: BigInt(mtimeNs), paths }
      }
    }
  }
}
