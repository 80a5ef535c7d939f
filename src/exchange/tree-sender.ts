import { metadataOf } from '../change/metadata.js'
import { BATCH_FILES, SIGNATURE_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import { batchesOf, isBatch } from '../flow/batches.js'
import { createBreather } from '../flow/breathe.js'
import { measured } from '../flow/known-size.js'
import { onAbort } from '../flow/on-abort.js'
import { printPath } from '../path.js'
import { type Body, type Change, type Codec, type Entry, isEntry, type Signed, type Sink } from '../types.js'
import type { Line } from './line.js'
import { encodeListed, LISTING_WINDOW_BYTES } from './listing.js'
import { decodeValue, Kind, type Message, type Want } from './messages.js'
import { encodePacked, PACKED_BYTES, partsOf } from './packed.js'

/** Signatures that wait to be compared, in bytes: then the receiver waits. */
const WAITING_BYTES = 16 * 1024 * 1024
/** What a file whose content is wanted weighs beside its signature. */
const WANT_BYTES = 1024

/** A file that may be asked for. */
interface Offered {
  readonly entry: Entry
  readonly endBytes: number
}

interface Wanted extends Want {
  readonly path: string
}

/** What a sender has sent. */
export interface SentTotals {
  readonly entries: number
  readonly files: number
  /** Bytes of all files that are listed. */
  readonly sizeBytes: number
  /** Files of which the receiver has asked for the content. */
  readonly sentFiles: number
  /** Of these, files of which a delta was sent. */
  readonly deltaFiles: number
  /** Bytes of contents and deltas, before compression. */
  readonly sentBytes: number
  /** Entries that could not be read, wholly or in part. */
  readonly unreadableEntries: number
  /** Files that changed while they were read. */
  readonly dirtyFiles: number
}

/** Observers of a sender. */
export interface TreeSenderOptions {
  readonly codec: Codec
  readonly onError?: ((error: BackupError) => void) | undefined
  /** Called for each entry that is listed, and while contents are sent. */
  readonly onSent?: ((path: string, totals: SentTotals) => void) | undefined
}

/**
 * The sender's half of an exchange about a tree: `list` says what there is, `wanted` yields what the receiver asks for,
 * and `answer` says it. Both directions flow at once.
 * Memory: the files of `LISTING_WINDOW_BYTES` of the listing, and `WAITING_BYTES` of signatures.
 */
export class TreeSender {
  readonly #offered = new Map<number, Offered>()
  /** Handed out by `wanted`, and not answered. */
  readonly #handed: Wanted[] = []
  readonly #totals = {
    ...{ entries: 0, files: 0, sizeBytes: 0, sentFiles: 0, deltaFiles: 0, sentBytes: 0 },
    ...{ unreadableEntries: 0, dirtyFiles: 0 }
  }
  #queue: { readonly wanted: Wanted; readonly change: Change; readonly bytes: number }[] = []
  #queuedBytes = 0
  #signing: { readonly want: Want; readonly parts: Uint8Array[]; bytes: number } | undefined
  #listedBytes = 0
  #passedBytes = 0
  #isListed = false
  #isDone = false
  #waiting: (() => void)[] = []

  constructor(
    readonly line: () => Line,
    readonly options: TreeSenderOptions
  ) {}

  get totals(): SentTotals {
    return { ...this.#totals }
  }

  /** A message of the receiver. @throws BackupError IBT_ARCHIVE_CORRUPT for one that makes no sense */
  async take({ kind, body }: Message): Promise<void> {
    if (kind === Kind.want && this.#signing === undefined) {
      const want = checkWant(decodeValue<Want>(body))
      if (want.isSigned) this.#signing = { want, parts: [], bytes: 0 }
      else this.#ask(want)
    } else if ((kind === Kind.part || kind === Kind.last) && this.#signing !== undefined) {
      const { want, parts } = this.#signing
      parts.push(body)
      if ((this.#signing.bytes += body.length) > SIGNATURE_BYTES) throw wrong('sends an endless signature')
      if (kind === Kind.part) return
      this.#signing = undefined
      this.#ask(want, Buffer.concat(parts))
    } else if (kind === Kind.passed) this.#pass(decodeValue<{ bytes?: unknown }>(body).bytes)
    else if (kind === Kind.done && this.#isListed) this.#isDone = true
    else throw wrong(`says what nobody expects: kind ${kind}`)
    this.#wake()
    while (this.#queuedBytes > WAITING_BYTES && !this.line().signal.aborted) await this.#change()
  }

  /** Lists a tree. Contents are read only if they are asked for, and later: they have to be repeatable. */
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
        await this.#sendListing(Buffer.concat(lines))
        lines = []
        bytes = 0
      }
      if (breather.due()) await breather.pause()
    }
    await this.#sendListing(Buffer.concat(lines))
    this.#isListed = true
    await this.line().send(Kind.listed, { entries: this.#totals.entries })
  }

  /** What the receiver has asked for by now, again and again, until it is done. */
  async *wanted(): AsyncGenerator<readonly Change[], void, undefined> {
    for (;;) {
      const group = this.#queue.splice(0, BATCH_FILES)
      if (group.length > 0) {
        for (const { wanted, bytes } of group) {
          this.#handed.push(wanted)
          this.#queuedBytes -= bytes
        }
        this.#wake()
        yield group.map(({ change }) => change)
      } else if (this.#isDone) return
      else {
        this.line().signal.throwIfAborted()
        await this.#change()
      }
    }
  }

  /** Answers with what a group of `wanted` has become in `sign`. */
  readonly answer: Sink<Signed> = async source => {
    for await (const item of batchesOf(source)) {
      for (const signed of isBatch(item) ? item : [item]) {
        while (this.#handed.length > 0 && this.#handed[0]!.path !== signed.path) await this.#vanished()
        const wanted = this.#handed.shift()
        if (wanted === undefined) throw new TypeError('answer: only entries of `wanted` are answered')
        await this.#answer(wanted, signed)
      }
      // Bodies in memory were copied.
      if (isBatch(item)) item.release?.()
    }
    while (this.#handed.length > 0) await this.#vanished()
  }

  #offer(entry: Entry): Buffer {
    const { type, content, sizeBytes = 0, error, path } = entry
    if (error !== undefined || type === 'unreadable') {
      this.#totals.unreadableEntries++
      if (error !== undefined) this.options.onError?.(error)
    }
    const line = encodeListed(entry)
    this.#listedBytes += line.length
    if (type === 'file') {
      if (content !== undefined && content.isRepeatable !== true) {
        throw new TypeError(
          `The content of ${printPath(path)} can be read only now: a tree is listed before it is read`
        )
      }
      this.#offered.set(this.#totals.entries, { entry, endBytes: this.#listedBytes })
      this.#totals.files++
      this.#totals.sizeBytes += sizeBytes
    }
    this.#totals.entries++
    this.options.onSent?.(path, this.#totals)
    return line
  }

  async #sendListing(text: Buffer): Promise<void> {
    const line = this.line()
    for (const part of partsOf(text)) {
      while (this.#listedBytes - this.#passedBytes > LISTING_WINDOW_BYTES) {
        line.signal.throwIfAborted()
        await this.#change()
      }
      await line.send(Kind.listing, await encodePacked(this.options.codec, part))
    }
  }

  #pass(bytes: unknown): void {
    if (typeof bytes !== 'number' || !(bytes >= this.#passedBytes && bytes <= this.#listedBytes)) {
      throw wrong('has passed what was not listed')
    }
    this.#passedBytes = bytes
    for (const [number, { endBytes }] of this.#offered) {
      if (endBytes > bytes) break
      this.#offered.delete(number)
    }
  }

  #ask(want: Want, signature?: Uint8Array): void {
    const offered = this.#offered.get(want.entry)
    if (offered === undefined) throw wrong('wants what was not listed, or what it has passed')
    const { entry } = offered
    // A further name of the same file is a file of its own here.
    const own = { ...entry, link: undefined }
    const change: Change =
      signature === undefined
        ? { ...own, change: 'created' }
        : { ...own, change: 'updated', previous: metadataOf(own), basis: async () => signature }
    const bytes = WANT_BYTES + (signature?.length ?? 0)
    this.#queue.push({ wanted: { ...want, path: entry.path }, change, bytes })
    this.#queuedBytes += bytes
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
      this.#report(broken)
      return line.send(Kind.answered, { entry, ...tell(broken) })
    }
    this.#totals.sentFiles++
    if (body.form === 'delta') this.#totals.deltaFiles++
    if (dirty) {
      this.#totals.dirtyFiles++
      this.options.onError?.(failed('IBT_FILE_CHANGED', path, 'changed while it was read'))
    }
    return line.send(Kind.answered, { entry, sha256, sizeBytes: readBytes })
  }

  async #sendBody({ parts }: Body, path: string): Promise<void> {
    for await (const item of batchesOf(parts)) {
      for (const bytes of isBatch(item) ? item : [item]) {
        for (const part of partsOf(bytes)) {
          this.#totals.sentBytes += part.length
          this.options.onSent?.(path, this.#totals)
          await this.line().send(Kind.bytes, await encodePacked(this.options.codec, part))
        }
      }
      if (isBatch(item)) item.release?.()
    }
  }

  async #vanished(): Promise<void> {
    const wanted = this.#handed.shift()!
    await this.#refuse(wanted, failed('IBT_FILE_CHANGED', wanted.path, 'vanished before it was read'))
  }

  async #refuse({ entry }: Wanted, error: BackupError): Promise<void> {
    this.#report(error)
    const line = this.line()
    await line.send(Kind.answer, { entry, form: 'whole', sizeBytes: 0 })
    await line.send(Kind.answered, { entry, ...tell(error) })
  }

  #report(error: BackupError): void {
    this.#totals.unreadableEntries++
    this.options.onError?.(error)
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves at the next message, and at an abort. */
  async #change(): Promise<void> {
    let stopListening = () => {}
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
      stopListening = onAbort(this.line().signal, () => resolve())
    })
    stopListening()
  }
}

function tell({ code, message }: BackupError) {
  return { code, message: message.slice(0, 4096) }
}

function failed(code: 'IBT_FILE_CHANGED', path: string, what: string): BackupError {
  return new BackupError(code, `${printPath(path)} ${what}`, { path })
}

function checkWant({ entry, isSigned, maxBytes }: Partial<Want>): Want {
  const isRight =
    Number.isSafeInteger(entry) && typeof isSigned === 'boolean' && (maxBytes === undefined || maxBytes >= 0)
  if (isRight) return { entry: entry!, isSigned, maxBytes }
  throw wrong('does not say what it wants')
}

function wrong(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `What the receiver says is damaged: it ${what}`)
}
