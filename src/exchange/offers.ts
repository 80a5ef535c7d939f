import { BackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { measured } from '../flow/known-size.js'
import type { Wakeups } from '../flow/wakeups.js'
import { printPath } from '../path.js'
import { type Entry, isEntry, type Sink } from '../types.js'
import type { Line } from './line.js'
import { encodeListed, LISTING_WINDOW_BYTES } from './listing.js'
import { Kind } from './messages.js'
import { encodePacked, PACKED_BYTES, partsOf } from './packed.js'
import type { SentTally } from './sent-totals.js'

/** A file that may be asked for. */
interface Offered {
  readonly entry: Entry
  readonly endBytes: number
}

/** What the sender lists, and what of it may still be asked for. Memory: the files of `LISTING_WINDOW_BYTES`. */
export class Offers {
  readonly #offered = new Map<number, Offered>()
  #listedBytes = 0
  #passedBytes = 0
  #isListed = false

  constructor(
    readonly line: () => Line,
    readonly tally: SentTally,
    /** Woken when the receiver has passed something. */
    readonly wakeups: Wakeups
  ) {}

  /** Everything is listed. */
  get isListed(): boolean {
    return this.#isListed
  }

  readonly list: Sink<Entry> = async (source, { signal } = {}) => {
    const breather = createBreather()
    let lines: Buffer[] = []
    let bytes = 0
    for await (const item of batchesOf(source)) {
      if (isBatch(item)) item.keep?.()
      for (const entry of isBatch(item) ? item : [item]) {
        if (!isEntry(entry)) continue
        const line = this.#offer(await measured(entry, signal))
        lines.push(line)
        bytes += line.length
        if (bytes < PACKED_BYTES / 4) continue
        await this.#send(Buffer.concat(lines))
        lines = []
        bytes = 0
      }
      if (breather.due()) await breather.pause()
    }
    await this.#send(Buffer.concat(lines))
    this.#isListed = true
    await this.line().send(Kind.listed, { entries: this.tally.counts.entries })
  }

  /** The entry of a number. @throws BackupError IBT_ARCHIVE_CORRUPT if it was not listed, or was passed */
  get(number: number): Entry {
    const offered = this.#offered.get(number)
    if (offered !== undefined) return offered.entry
    throw wrong('wants what was not listed, or what it has passed')
  }

  /** So many bytes of the listing are not asked for any more. @throws BackupError IBT_ARCHIVE_CORRUPT */
  pass(bytes: unknown): void {
    if (typeof bytes !== 'number' || !(bytes >= this.#passedBytes && bytes <= this.#listedBytes)) {
      throw wrong('has passed what was not listed')
    }
    this.#passedBytes = bytes
    for (const [number, { endBytes }] of this.#offered) {
      if (endBytes > bytes) break
      this.#offered.delete(number)
    }
  }

  #offer(entry: Entry): Buffer {
    const { type, content, sizeBytes = 0, error, path } = entry
    const { tally } = this
    const { counts } = tally
    if (error !== undefined || type === 'unreadable') tally.unreadable(error)
    const line = encodeListed(entry)
    this.#listedBytes += line.length
    if (type === 'file') {
      if (content !== undefined && content.isRepeatable !== true) {
        throw new TypeError(
          `The content of ${printPath(path)} can be read only now: a tree is listed before it is read`
        )
      }
      this.#offered.set(counts.entries, { entry, endBytes: this.#listedBytes })
      counts.files++
      counts.sizeBytes += sizeBytes
    }
    counts.entries++
    tally.sent(path)
    return line
  }

  async #send(text: Buffer): Promise<void> {
    const line = this.line()
    for (const part of partsOf(text)) {
      while (this.#listedBytes - this.#passedBytes > LISTING_WINDOW_BYTES) {
        line.signal.throwIfAborted()
        await this.wakeups.next(line.signal)
      }
      await line.send(Kind.listing, await encodePacked(this.tally.options.codec, part))
    }
  }
}

function wrong(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `What the receiver says is damaged: it ${what}`)
}
