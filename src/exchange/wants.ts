import { metadataOf } from '../change/metadata.js'
import { BATCH_FILES, SIGNATURE_BYTES } from '../constants.js'
import { BackupError } from '../errors.js'
import type { Wakeups } from '../flow/wakeups.js'
import type { Change, Entry } from '../types.js'
import { decodeValue, Kind, type Message, type Want } from './messages.js'

/** Signatures that wait to be compared, in bytes: then the receiver waits. */
const WAITING_BYTES = 16 * 1024 * 1024
/** What a file whose content is wanted weighs beside its signature. */
const WANT_BYTES = 1024

/** What the receiver wants, and the path that it has here. */
export interface Wanted extends Want {
  readonly path: string
}

/**
 * The files that the receiver asks for, with the signatures of what it has, until they are answered.
 * Memory: `WAITING_BYTES` of signatures, and one.
 */
export class Wants {
  /** Handed out, and not answered, oldest first. */
  readonly handed: Wanted[] = []
  #queue: { readonly wanted: Wanted; readonly change: Change; readonly bytes: number }[] = []
  #queuedBytes = 0
  #signing: { readonly want: Want; readonly parts: Uint8Array[]; bytes: number } | undefined

  constructor(
    readonly find: (number: number) => Entry,
    /** Woken when there is room for more. */
    readonly wakeups: Wakeups
  ) {}

  get isFull(): boolean {
    return this.#queuedBytes > WAITING_BYTES
  }

  /** Whether the message says what is wanted. @throws BackupError IBT_ARCHIVE_CORRUPT for one that makes no sense */
  take({ kind, body }: Message): boolean {
    if (kind === Kind.want && this.#signing === undefined) {
      const want = checkWant(decodeValue<Want>(body))
      if (want.isSigned) this.#signing = { want, parts: [], bytes: 0 }
      else this.#add(want)
      return true
    }
    if ((kind !== Kind.part && kind !== Kind.last) || this.#signing === undefined) return false
    const { want, parts } = this.#signing
    parts.push(body)
    if ((this.#signing.bytes += body.length) > SIGNATURE_BYTES) throw wrong('sends an endless signature')
    if (kind === Kind.part) return true
    this.#signing = undefined
    this.#add(want, Buffer.concat(parts))
    return true
  }

  /** What is wanted by now, up to a batch of it. */
  next(): Change[] {
    const group = this.#queue.splice(0, BATCH_FILES)
    for (const { wanted, bytes } of group) {
      this.handed.push(wanted)
      this.#queuedBytes -= bytes
    }
    if (group.length > 0) this.wakeups.wake()
    return group.map(({ change }) => change)
  }

  #add(want: Want, signature?: Uint8Array): void {
    const entry = this.find(want.entry)
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
