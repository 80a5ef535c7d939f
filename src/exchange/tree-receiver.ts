import { BackupError, type ErrorCode } from '../errors.js'
import { createBreather } from '../flow/breathe.js'
import { Channel } from '../flow/channel.js'
import { FRAME_BODY_BYTES } from '../format/frames.js'
import { printPath } from '../path.js'
import type { Codec } from '../types.js'
import type { Line } from './line.js'
import { LISTING_WINDOW_BYTES, type Listed, ListingReader } from './listing.js'
import { decodeValue, Kind, type Message } from './messages.js'
import { decodePacked, PACKED_BYTES } from './packed.js'

/** Messages of a long content that wait for whoever writes it. */
const BYTES_WAITING = 4
/** Room for a content that is not longer than this is in memory, whoever takes it. */
const DELTA_ROOM_BYTES = 64 * 1024

/** An error of one file: what the sender says of it, or a content that is not what it says. */
const OF_ENTRY = new WeakSet<object>()

/** Whether an error is one of a single file of the sender's, which costs no other. */
export function isOfEntry(error: object): boolean {
  return OF_ENTRY.has(error)
}

export function ofEntry(code: ErrorCode, path: string, message: string): BackupError {
  const error = new BackupError(code, message, { path })
  OF_ENTRY.add(error)
  return error
}

/** How an answer begins. */
export interface AnswerHead {
  readonly form: 'whole' | 'delta'
  /** Of the content: no more may come of it. */
  readonly sizeBytes: number
}

/** What was asked for: its bytes, as they come. */
export interface Asked {
  readonly head: Promise<AnswerHead>
  readonly chunks: AsyncIterable<Uint8Array>
  /** Of the content, in hex; after the last chunk. */
  readonly sha256: Promise<string>
}

/** What is asked for, and what there is room for. */
export interface WantOptions {
  readonly path: string
  readonly signature?: Uint8Array | undefined
  /** All of it is in memory until it is taken. Default: chunks wait for whoever takes them. */
  readonly maxBytes?: number | undefined
}

/**
 * The receiver's half of an exchange about a tree: the listing comes in, and what is wanted of it goes out. Answers come in
 * the order of the questions. Whoever asks without `maxBytes` takes the answer before he asks for anything else.
 * Memory: a window of the listing, and what is asked for with `maxBytes`.
 */
export class TreeReceiver {
  readonly #breather = createBreather()
  readonly #reader = new ListingReader()
  readonly #listed: Listed[] = []
  readonly #asked: Answer[] = []
  #receivedBytes = 0
  #passedBytes = 0
  #toldBytes = 0
  #isListed = false
  #isStopped = false
  #wake: () => void = () => {}

  constructor(
    readonly line: () => Line,
    readonly codec: Codec
  ) {}

  /** Entries of the listing so far. */
  get listedEntries(): number {
    return this.#reader.entries
  }

  /** A message of the sender. @throws BackupError IBT_ARCHIVE_CORRUPT, and what reading a listing throws */
  async take({ kind, body }: Message): Promise<void> {
    if (kind === Kind.listing && !this.#isListed) await this.#list(body)
    else if (kind === Kind.listed && !this.#isListed) {
      this.#reader.end(decodeValue<{ entries?: unknown }>(body).entries)
      this.#isListed = true
      this.#wake()
    } else if (kind === Kind.answer) this.#first(body).begin(decodeValue(body))
    else if (kind === Kind.bytes && this.#asked[0]?.hasBegun) {
      await this.#asked[0].add(await decodePacked(this.codec, body))
    } else if (kind === Kind.answered && this.#asked[0]?.hasBegun) {
      this.#first(body).end(decodeValue(body))
      this.#asked.shift()
    } else throw wrong(`says what nobody expects: kind ${kind}`)
  }

  /** Entries as they come, to the end of the listing, or until `stop`. */
  async *listed(): AsyncGenerator<Listed, void, undefined> {
    for (;;) {
      const listed = this.#listed.shift()
      if (this.#isStopped) return
      if (listed !== undefined) yield listed
      else if (this.#isListed) return
      else {
        const more = new Promise<void>(resolve => {
          this.#wake = resolve
        })
        await this.line().until(more)
      }
    }
  }

  stop(): void {
    this.#isStopped = true
    this.#wake()
  }

  /** Everything up to this entry has been written: it is not asked for any more. */
  async pass({ endBytes }: Listed): Promise<void> {
    this.#passedBytes = endBytes
    if (endBytes - this.#toldBytes < LISTING_WINDOW_BYTES / 4) return
    this.#toldBytes = endBytes
    await this.line().send(Kind.passed, { bytes: endBytes })
  }

  want(entry: number, { path, signature, maxBytes }: WantOptions): Asked {
    const line = this.line()
    const answer = new Answer(entry, path, maxBytes, line.signal)
    this.#asked.push(answer)
    const isSigned = signature !== undefined
    // Nothing comes between these: they are in the line when this call returns.
    line.send(Kind.want, { entry, isSigned, maxBytes }).catch(() => {})
    for (let at = 0; isSigned && at >= 0; ) {
      const end = at + FRAME_BODY_BYTES
      const isLast = end >= signature.length
      line.send(isLast ? Kind.last : Kind.part, signature.subarray(at, end)).catch(() => {})
      at = isLast ? -1 : end
    }
    return answer
  }

  /** When the line has failed: whoever waits for an answer waits no longer. */
  fail(reason: unknown): void {
    for (const answer of this.#asked.splice(0)) answer.fail(reason)
  }

  async #list(body: Uint8Array): Promise<void> {
    const text = await decodePacked(this.codec, body)
    this.#receivedBytes += text.length
    if (this.#receivedBytes - this.#passedBytes > LISTING_WINDOW_BYTES + 4 * PACKED_BYTES) {
      throw wrong('lists more than there is room for')
    }
    for (const listed of this.#reader.read(text)) {
      this.#listed.push(listed)
      if (this.#breather.due()) await this.#breather.pause()
    }
    this.#wake()
  }

  #first(body: Uint8Array): Answer {
    const [answer] = this.#asked
    if (answer?.entry === decodeValue<{ entry?: unknown }>(body).entry) return answer!
    throw wrong('answers what was not asked')
  }
}

interface Ended {
  readonly sha256?: unknown
  readonly code?: unknown
  readonly message?: unknown
}

class Answer implements Asked {
  readonly head: Promise<AnswerHead>
  readonly sha256: Promise<string>
  readonly #channel: Channel<Uint8Array>
  #beginning: (head: AnswerHead) => void = () => {}
  #ending: (sha256: string) => void = () => {}
  #failing: (error: unknown) => void = () => {}
  #bytes = 0
  #head: AnswerHead | undefined

  constructor(
    readonly entry: number,
    readonly path: string,
    readonly maxBytes: number | undefined,
    signal: AbortSignal
  ) {
    this.#channel = new Channel(maxBytes === undefined ? BYTES_WAITING : Infinity)
    this.head = new Promise((resolve, reject) => {
      this.#beginning = resolve
      this.#failing = reject
    })
    const { promise, resolve, reject } = withResolvers<string>()
    this.sha256 = promise
    this.#ending = resolve
    const failHead = this.#failing
    this.#failing = error => {
      failHead(error)
      reject(error)
    }
    this.head.catch(() => {})
    this.sha256.catch(() => {})
    if (signal.aborted) this.fail(signal.reason)
  }

  get hasBegun(): boolean {
    return this.#head !== undefined
  }

  get chunks(): AsyncIterable<Uint8Array> {
    return this.#channel
  }

  begin({ form, sizeBytes }: Partial<AnswerHead>): void {
    const isRight = (form === 'whole' || form === 'delta') && Number.isSafeInteger(sizeBytes) && sizeBytes! >= 0
    if (!isRight || this.#head !== undefined) throw wrong('begins an answer that makes no sense')
    if (sizeBytes! > (this.maxBytes ?? Infinity)) throw wrong('answers with more than there is room for')
    this.#head = { form, sizeBytes: sizeBytes! }
    this.#beginning(this.#head)
  }

  async add(bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length
    const { form, sizeBytes } = this.#head!
    if (this.#bytes > sizeBytes + (form === 'delta' ? DELTA_ROOM_BYTES + sizeBytes : 0)) {
      throw wrong('answers with more than it says')
    }
    // Whoever has stopped taking it says so himself.
    await this.#channel.push(bytes).catch(() => {})
  }

  end({ sha256, code, message }: Ended): void {
    if (typeof sha256 === 'string' && /^[0-9a-f]{64}$/.test(sha256)) {
      this.#ending(sha256)
      this.#channel.end()
    } else if (typeof code === 'string' && typeof message === 'string') {
      const known = code === 'IBT_FILE_CHANGED' ? code : 'IBT_READ_FAILED'
      this.fail(ofEntry(known, this.path, `The sender could not send ${printPath(this.path)}: ${message}`))
    } else throw wrong('ends an answer that makes no sense')
  }

  fail(error: unknown): void {
    this.#failing(error)
    this.#channel.fail(error)
  }
}

function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((...both) => {
    ;[resolve, reject] = both
  })
  return { promise, resolve, reject }
}

function wrong(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `What the sender says is damaged: it ${what}`)
}
