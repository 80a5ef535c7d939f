import { createBreather } from '../flow/breathe.js'
import { Cursor } from '../flow/cursor.js'
import { onAbort } from '../flow/on-abort.js'
import { DirectoryStack } from '../format/directory-stack.js'
import { checkPathOrder } from '../format/entry-check.js'
import { checkPath, comparePaths, joinPath, ROOT_PATH } from '../path.js'
import { makeDirectory } from '../source/made-directory.js'
import type { Entry, Signed, Source, StageContext } from '../types.js'

/** An entry of a source; one of a tar may be a further name of an earlier file. */
type Member = Entry & Pick<Signed, 'linkTo'>

/**
 * Makes one source of several, each below a directory of its own: `merge({ etc: walk('/etc'), 'srv/www': walk('/www') })`.
 *
 * Yields `Entry` in path order, which the sources have to be in, and is. The root of a source is the directory of its name;
 * the root and directories that lead to a name are made, with mode 0755. A name may lie below another one, if the source of
 * that has nothing there. Hard-link groups of two sources stay apart.
 * A source is opened when its name comes, and read one entry ahead of what is yielded only where names lie in one another.
 * Memory: the paths of the open directories, and what the sources need.
 *
 * @throws BackupError IBT_UNSAFE_PATH at the call for a name that is not a path; IBT_OUT_OF_ORDER for a source that is
 * not in path order, and where two have the same path; the signal's reason; whatever the sources throw.
 */
export function merge(
  sources: Readonly<Record<string, Source<Entry>>>,
  { signal }: StageContext = {}
): AsyncGenerator<Entry, void, undefined> {
  const prefixes = Object.keys(sources)
  for (const prefix of prefixes) checkPath(prefix)
  const branches = prefixes.map((prefix, i) => new Branch(prefix, sources[prefix]!, i, prefixes.length))
  branches.sort((a, b) => comparePaths(a.prefix, b.prefix))
  return new Merged(branches, signal)
}

/** One source, its entries below its prefix. */
class Branch {
  readonly cursor: Cursor<Entry>

  constructor(
    readonly prefix: string,
    source: Source<Entry>,
    readonly index: number,
    readonly count: number
  ) {
    this.cursor = new Cursor(source)
  }

  async next(): Promise<Member | undefined> {
    const { value, done } = await this.cursor.next()
    return done ? undefined : this.#place(value)
  }

  #place(entry: Member): Member {
    const { path, link, linkTo } = entry
    return {
      ...entry,
      path: this.#pathOf(path),
      link: link === undefined ? undefined : link * this.count + this.index,
      ...(linkTo !== undefined && { linkTo: this.#pathOf(linkTo) })
    }
  }

  #pathOf(path: string): string {
    return path === ROOT_PATH ? this.prefix : joinPath(this.prefix, path)
  }
}

/** A generator whose `return` is not kept waiting by a source that is parked. */
class Merged implements AsyncGenerator<Entry, void, undefined> {
  readonly #items: AsyncGenerator<Entry, void, undefined>

  constructor(
    readonly branches: readonly Branch[],
    signal: AbortSignal | undefined
  ) {
    this.#items = withDirectories(mergeBranches(branches, signal))
  }

  next(): Promise<IteratorResult<Entry, void>> {
    return this.#items.next()
  }

  return(): Promise<IteratorResult<Entry, void>> {
    for (const { cursor } of this.branches) cursor.break(new Error('The consumer stopped'))
    return this.#items.return()
  }

  throw(error: unknown): Promise<IteratorResult<Entry, void>> {
    return this.#items.throw(error)
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return()
  }
}

interface Head {
  readonly branch: Branch
  readonly entry: Entry
}

async function* mergeBranches(
  branches: readonly Branch[],
  signal: AbortSignal | undefined
): AsyncGenerator<Entry, void, undefined> {
  const waiting = [...branches]
  /** The next entry of each open source: of the smallest path last. */
  const heads: Head[] = []
  const breather = createBreather()
  const stopListening = onAbort(signal, reason => {
    for (const { cursor } of branches) cursor.break(reason)
  })
  const pull = async (branch: Branch) => {
    const entry = await branch.next()
    if (entry === undefined) return
    const at = heads.findIndex(head => comparePaths(head.entry.path, entry.path) <= 0)
    heads.splice(at < 0 ? heads.length : at, 0, { branch, entry })
  }
  try {
    for (;;) {
      if (breather.due()) await breather.pause()
      const path = heads.at(-1)?.entry.path
      if (waiting.length > 0 && (path === undefined || comparePaths(waiting[0]!.prefix, path) <= 0)) {
        await pull(waiting.shift()!)
        continue
      }
      const head = heads.pop()
      if (head === undefined) return
      yield head.entry
      await pull(head.branch)
    }
  } finally {
    stopListening()
    for (const { cursor } of branches) await cursor.close()
  }
}

/** Puts the directories before entries that lead to them and are in no source. */
async function* withDirectories(
  source: AsyncGenerator<Entry, void, undefined>
): AsyncGenerator<Entry, void, undefined> {
  const directories = new DirectoryStack()
  let last: string | undefined
  for await (const entry of source) {
    const { path, type } = entry
    if (last !== undefined) checkPathOrder(last, path)
    last = path
    directories.leaveFor(path)
    for (let next: string | undefined; (next = directories.nextMissing(path)) !== undefined; ) {
      yield makeDirectory(next, entry)
      directories.push(next)
    }
    if (type === 'directory') directories.push(path)
    yield entry
  }
}
