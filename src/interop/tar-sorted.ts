import { tmpdir } from 'node:os'
import { SORTED_ENTRIES } from '../constants.js'
import { BackupError } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { Spool, type SpooledRange } from '../flow/spool.js'
import { ByteReader } from '../format/byte-reader.js'
import { comparePaths, printPath } from '../path.js'
import type { Content, Source } from '../types.js'
import { RawBody, SequentialContent } from './tar-content.js'
import { type TarEntry, toEntry } from './tar-entry.js'
import type { ForeignHeader } from './tar-headers.js'
import { readTar, type TarReaderOptions } from './tar-reader.js'

/** Options of `sort: 'spool'`. */
export interface TarSortOptions {
  /** Where contents wait, unnamed. Default: the system's temporary directory. */
  readonly spoolDirectory?: string | undefined
}

/** The entries of a tar in path order, once all of it has been read: see `fromTar`. */
export async function* sortedTar(
  source: Source<Uint8Array>,
  options: TarReaderOptions & TarSortOptions
): AsyncGenerator<TarEntry, void, undefined> {
  const spool = new Spool(options.spoolDirectory ?? tmpdir())
  try {
    const index = new TarIndex()
    for await (const { found, body } of readTar(source, options, (bytes, found) => new RawBody(bytes, found))) {
      const range = await spool.appendAll(body.chunks())
      index.add(toEntry(found, new SpooledContent(spool, range, found)))
    }
    const breather = createBreather()
    for (const entry of index.sorted()) {
      yield entry
      if (breather.due()) await breather.pause()
    }
  } finally {
    await spool.close()
  }
}

/** The content of an entry whose body was spooled: a sparse one is without its holes there. */
class SpooledContent implements Content {
  readonly isRepeatable = true

  constructor(
    readonly spool: Spool,
    readonly range: SpooledRange,
    readonly found: ForeignHeader
  ) {}

  open(): AsyncGenerator<Uint8Array, void, undefined> {
    return new SequentialContent(new ByteReader(this.spool.read(this.range)), this.found).open()
  }
}

/** The entries of a tar by path: the last one of a path counts, as tar leaves it. Hard links share what they lead to. */
class TarIndex {
  readonly #entries = new Map<string, TarEntry>()
  #groups = 0

  add(entry: TarEntry): void {
    const { path, linkTo } = entry
    const added = linkTo === undefined ? entry : this.#link(path, linkTo)
    if (added === undefined) return
    this.#entries.set(path, added)
    if (this.#entries.size <= SORTED_ENTRIES) return
    const message = `The tar has more than ${SORTED_ENTRIES} entries, too many to be sorted: write it in path order (tar --sort=name)`
    throw new BackupError('IBT_OUT_OF_ORDER', message)
  }

  sorted(): readonly TarEntry[] {
    return [...this.#entries.values()].sort((a, b) => comparePaths(a.path, b.path))
  }

  /** One more name of an earlier entry; nothing for a link to itself, which is there already. */
  #link(path: string, linkTo: string): TarEntry | undefined {
    if (path === linkTo) return undefined
    const first = this.#entries.get(linkTo)
    if (first === undefined || first.type === 'directory') return dangling(path, linkTo)
    // Symlinks and the like have names of their own in a backup.
    if (first.type !== 'file') return { ...first, path }
    const grouped = first.link === undefined ? { ...first, link: this.#groups++ } : first
    this.#entries.set(linkTo, grouped)
    return { ...grouped, path }
  }
}

function dangling(path: string, linkTo: string): TarEntry {
  const message = `${printPath(path)} in the tar is a hard link to ${printPath(linkTo)}, which is not a file before it`
  const error = new BackupError('IBT_READ_FAILED', message, { path })
  return { path, type: 'unreadable', mode: 0, uid: 0, gid: 0, mtimeNs: 0n, error }
}
