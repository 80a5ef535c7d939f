import { BackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { Wakeups } from '../flow/wakeups.js'
import { printPath } from '../path.js'
import type { Body, Change, Entry, Signed, Sink } from '../types.js'
import type { Line } from './line.js'
import { decodeValue, Kind, type Message } from './messages.js'
import { Offers } from './offers.js'
import { encodePacked, partsOf } from './packed.js'
import { SentTally, type SentTotals, type TreeSenderOptions } from './sent-totals.js'
import { type Wanted, Wants } from './wants.js'

/**
 * The sender's half of an exchange about a tree: `list` says what there is, `wanted` yields what the receiver asks for,
 * and `answer` says it. Both directions flow at once.
 * Memory: the files of `LISTING_WINDOW_BYTES` of the listing, and 16 MiB of signatures.
 */
export class TreeSender {
  readonly #tally: SentTally
  readonly #wakeups = new Wakeups()
  readonly #offers: Offers
  readonly #wants: Wants
  #isDone = false

  constructor(
    readonly line: () => Line,
    options: TreeSenderOptions
  ) {
    this.#tally = new SentTally(options)
    this.#offers = new Offers(line, this.#tally, this.#wakeups)
    this.#wants = new Wants(number => this.#offers.get(number), this.#wakeups)
  }

  get totals(): SentTotals {
    return { ...this.#tally.counts }
  }

  /** Lists a tree. Contents are read only if they are asked for, and later: they have to be repeatable. */
  get list(): Sink<Entry> {
    return this.#offers.list
  }

  /** A message of the receiver. @throws BackupError IBT_ARCHIVE_CORRUPT for one that makes no sense */
  async take(message: Message): Promise<void> {
    const { kind, body } = message
    if (kind === Kind.passed) this.#offers.pass(decodeValue<{ bytes?: unknown }>(body).bytes)
    else if (kind === Kind.done && this.#offers.isListed) this.#isDone = true
    else if (!this.#wants.take(message)) throw wrong(`says what nobody expects: kind ${kind}`)
    this.#wakeups.wake()
    const { signal } = this.line()
    while (this.#wants.isFull && !signal.aborted) await this.#wakeups.next(signal)
  }

  /** What the receiver has asked for by now, again and again, until it is done. */
  async *wanted(): AsyncGenerator<readonly Change[], void, undefined> {
    for (;;) {
      const group = this.#wants.next()
      if (group.length > 0) yield group
      else if (this.#isDone) return
      else {
        const { signal } = this.line()
        signal.throwIfAborted()
        await this.#wakeups.next(signal)
      }
    }
  }

  /** Answers with what a group of `wanted` has become in `sign`. */
  readonly answer: Sink<Signed> = async source => {
    const { handed } = this.#wants
    for await (const item of batchesOf(source)) {
      for (const signed of isBatch(item) ? item : [item]) {
        while (handed.length > 0 && handed[0]!.path !== signed.path) await this.#vanished()
        const wanted = handed.shift()
        if (wanted === undefined) throw new TypeError('answer: only entries of `wanted` are answered')
        await this.#answer(wanted, signed)
      }
      // Bodies in memory were copied.
      if (isBatch(item)) item.release?.()
    }
    while (handed.length > 0) await this.#vanished()
  }

  async #answer(wanted: Wanted, signed: Signed): Promise<void> {
    const { type, body, error, path } = signed
    const { entry, maxBytes = Infinity } = wanted
    if (type !== 'file' || body === undefined) {
      return this.#refuse(wanted, error ?? failed('IBT_FILE_CHANGED', path, 'vanished before it was read'))
    }
    // Of a content in memory, the size that was read; a longer one is cut to what its file had when it was opened.
    const { sizeBytes = 0 } = Array.isArray(body.parts) ? body.result() : signed
    if (sizeBytes > maxBytes) return this.#refuse(wanted, failed('IBT_FILE_CHANGED', path, 'grew before it was read'))
    const line = this.line()
    await line.send(Kind.answer, { entry, form: body.form, sizeBytes })
    await this.#sendBody(body, path)
    const { sha256, dirty, error: broken, sizeBytes: readBytes } = body.result()
    if (broken !== undefined) {
      this.#tally.unreadable(broken)
      return line.send(Kind.answered, { entry, ...tell(broken) })
    }
    const { counts } = this.#tally
    counts.sentFiles++
    if (body.form === 'delta') counts.deltaFiles++
    if (dirty) {
      counts.dirtyFiles++
      this.#tally.observe(failed('IBT_FILE_CHANGED', path, 'changed while it was read'))
    }
    return line.send(Kind.answered, { entry, sha256, sizeBytes: readBytes })
  }

  async #sendBody({ parts }: Body, path: string): Promise<void> {
    const { counts, options } = this.#tally
    for await (const item of batchesOf(parts)) {
      for (const bytes of isBatch(item) ? item : [item]) {
        for (const part of partsOf(bytes)) {
          counts.sentBytes += part.length
          this.#tally.sent(path)
          await this.line().send(Kind.bytes, await encodePacked(options.codec, part))
        }
      }
      if (isBatch(item)) item.release?.()
    }
  }

  async #vanished(): Promise<void> {
    const wanted = this.#wants.handed.shift()!
    await this.#refuse(wanted, failed('IBT_FILE_CHANGED', wanted.path, 'vanished before it was read'))
  }

  async #refuse({ entry }: Wanted, error: BackupError): Promise<void> {
    this.#tally.unreadable(error)
    const line = this.line()
    await line.send(Kind.answer, { entry, form: 'whole', sizeBytes: 0 })
    await line.send(Kind.answered, { entry, ...tell(error) })
  }
}

function tell({ code, message }: BackupError) {
  return { code, message: message.slice(0, 4096) }
}

function failed(code: 'IBT_FILE_CHANGED', path: string, what: string): BackupError {
  return new BackupError(code, `${printPath(path)} ${what}`, { path })
}

function wrong(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `What the receiver says is damaged: it ${what}`)
}
