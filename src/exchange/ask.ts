import { IN_FLIGHT_BYTES, PART_BYTES } from '../constants.js'
import { Channel } from '../flow/channel.js'
import type { Existing } from '../restore/existing.js'
import { isSameThing } from '../restore/same.js'
import type { Entry } from '../types.js'
import type { Listed, ListedEntry } from './listing.js'
import type { OldTree } from './old-tree.js'
import { ReceivedContent } from './received-content.js'
import type { TreeReceiver } from './tree-receiver.js'

/** What a file may have grown by since it was listed, if it has not doubled. */
const GROWTH_BYTES = 64 * 1024
/** Entries that wait for whoever writes. */
const AHEAD_ENTRIES = 1024

/** Options of `askFor`. */
export interface AskOptions {
  /** As that of `write`. */
  readonly overwrite: 'always' | 'if-changed' | 'never'
  /** Whether an entry is wanted at all, in path order. Default: all are. */
  readonly selects?: ((entry: Entry) => boolean) | undefined
  /** Observes what is listed, wanted or not. */
  readonly onListed?: ((entry: Entry) => void) | undefined
  /** No content will be opened. */
  readonly dryRun?: boolean | undefined
}

/**
 * The entries of the sender's tree, for `write`: contents of files that differ from the old tree are asked for ahead, with
 * the signatures of their old versions; a larger file when it is opened. An entry has been written when the next one is
 * pulled: stages behind it take one after the other.
 * Files of up to `PART_BYTES` are asked for ahead: all of them that are under way cost one way there and back.
 * Memory: `IN_FLIGHT_BYTES` of contents, twice if all have grown meanwhile, and `AHEAD_ENTRIES` entries.
 */
export async function* askFor(
  receiver: TreeReceiver,
  old: OldTree,
  options: AskOptions
): AsyncGenerator<ListedEntry, void, undefined> {
  const ahead = new Ahead(receiver, old, options)
  const asking = ahead.run()
  try {
    for await (const { listed, entry, bytes } of ahead.queue) {
      if (entry !== undefined) yield entry
      await receiver.pass(listed)
      ahead.release(bytes)
    }
  } finally {
    receiver.stop()
    ahead.release(Infinity)
    await asking
  }
}

interface Waiting {
  readonly listed: Listed
  /** Undefined for one that is not wanted. */
  readonly entry: ListedEntry | undefined
  /** Bytes that were asked for ahead. */
  readonly bytes: number
}

class Ahead {
  readonly queue = new Channel<Waiting>(AHEAD_ENTRIES)
  readonly #links = new Set<number>()
  #bytes = 0
  #wake: () => void = () => {}

  constructor(
    readonly receiver: TreeReceiver,
    readonly old: OldTree,
    readonly options: AskOptions
  ) {}

  /** Never rejects: the queue fails. */
  async run(): Promise<void> {
    try {
      for await (const listed of this.receiver.listed()) await this.queue.push(await this.#ask(listed))
      this.queue.end()
    } catch (error) {
      this.queue.fail(error)
    }
  }

  release(bytes: number): void {
    this.#bytes = Math.max(0, this.#bytes - bytes)
    this.#wake()
  }

  async #ask(listed: Listed): Promise<Waiting> {
    const { entry } = listed
    this.options.onListed?.(entry)
    if (this.options.selects?.(entry) === false) return { listed, entry: undefined, bytes: 0 }
    const there = await this.old.find(entry)
    if (entry.type !== 'file') return { listed, entry, bytes: 0 }
    const content = new ReceivedContent(listed, this.receiver, this.old)
    const { sizeBytes = Infinity } = entry
    const isFirst = entry.link === undefined || !this.#links.has(entry.link)
    if (entry.link !== undefined) this.#links.add(entry.link)
    const received = { ...entry, content }
    if (this.options.dryRun || !isFirst || sizeBytes > PART_BYTES || !this.#isWanted(entry, there)) {
      return { listed, entry: received, bytes: 0 }
    }
    while (this.#bytes > 0 && this.#bytes + sizeBytes > IN_FLIGHT_BYTES) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    this.#bytes += sizeBytes
    await content.askAhead(sizeBytes + Math.max(sizeBytes, GROWTH_BYTES))
    return { listed, entry: received, bytes: sizeBytes }
  }

  /** Whether the content will surely be opened, as far as this is seen without a look at the bytes. */
  #isWanted(entry: ListedEntry, there: Existing | undefined): boolean {
    const { overwrite } = this.options
    if (there === undefined) return true
    if (overwrite === 'never') return false
    if (!isSameThing(entry, there)) return true
    if (overwrite === 'if-changed' && entry.mtimeNs === there.mtimeNs)
      return entry.link === undefined && there.nlink > 1
    return entry.sha256 === undefined
  }
}
