import { BackupError } from '../errors.js'
import { asBuffer } from '../format/byte-reader.js'
import { encodeFrame, encodePreamble, FRAME_BODY_BYTES, FrameReader } from '../format/frames.js'
import type { FullReason, Source, Totals } from '../types.js'

const PREAMBLE = { magic: 'ibt-talk', version: 1, what: 'What the other side says' }

/**
 * Kinds of message. Structured ones are JSON; `data`, `part` and `last` are bytes. The sender says `hello`, `question`,
 * `data` and `end`; the receiver says `hello`, answers with `part`, `last` and `none`, and says `done`; both say `failed`.
 *
 * Where a tree goes into a directory, the sender says `hello`, `listing` (packed bytes), `listed`, and, for each file that
 * it is asked for, `answer`, `bytes` (packed) and `answered`; the receiver says `hello`, `want`, with the signature of
 * what it has as `part` and `last`, `passed` and `done`.
 */
export const Kind = {
  ...{ hello: 1, question: 2, data: 3, end: 4, part: 5, last: 6, none: 7, done: 8, failed: 9 },
  ...{ listing: 10, listed: 11, want: 12, passed: 13, answer: 14, bytes: 15, answered: 16 }
} as const

/** One message. */
export interface Message {
  readonly kind: number
  readonly body: Uint8Array
}

/** What the sender wants to back up, and how. */
export interface SenderHello {
  /** The key that it was given; undefined: the receiver may choose. */
  readonly key?: string | undefined
  readonly defaultKey: string
  readonly kind: 'full' | 'incremental' | 'auto'
  readonly root: string
  readonly host: string
  readonly sourceId?: string | undefined
  readonly allowSourceMismatch?: boolean | undefined
  readonly maxChain?: number | undefined
  /** Suffixes of the codecs that it reads, with their dots. */
  readonly suffixes: readonly string[]
  /** What is sent: a tree for a directory. Undefined: a backup for a store, the only thing that older versions know. */
  readonly mode?: 'tree' | undefined
}

/** What the sender of a tree says beside that. */
export interface TreeSenderHello extends SenderHello {
  readonly mode: 'tree'
  /** Suffix of the codec that packs its messages. */
  readonly packing: string
  /** Patterns of what it leaves out: the receiver does not delete that. */
  readonly exclude: readonly string[]
  /** It says the SHA-256 of every file. */
  readonly checksum: boolean
  /** Nothing is to be written. */
  readonly dryRun?: boolean | undefined
  /** The source may be all but empty. */
  readonly allowShrink?: boolean | undefined
  /** The directory that is sent. */
  readonly place?: TreePlace | undefined
}

/** A directory, so that the other side knows it if it is on the same machine. */
export interface TreePlace {
  /** Absolute, without symbolic links. */
  readonly path: string
  /** Of the boot, the device and the inode. */
  readonly id: string
}

/** What the receiver of a tree answers. */
export interface TreeReceiverHello {
  readonly mode: 'tree'
  /** It deletes what the source does not have. */
  readonly deletes: boolean
  /** It wants to hear the SHA-256 of every file. */
  readonly checksum: boolean
  /** It writes nothing. */
  readonly dryRun?: boolean | undefined
  /** The directory that it writes into, if that is there. */
  readonly place?: TreePlace | undefined
}

/** What the receiver of a tree wants: the content of an entry, by its number in the listing. */
export interface Want {
  readonly entry: number
  /** A signature follows: a delta will do. */
  readonly isSigned: boolean
  /** A longer content is refused: there is no room for it. */
  readonly maxBytes?: number | undefined
}

/** What the receiver of a tree has done. */
export interface TreeDone {
  readonly skippedEntries: number
  readonly incompleteEntries: number
}

/** What the receiver answers: the backup that is to be made. */
export interface ReceiverHello {
  readonly key: string
  readonly date: string
  readonly fullReason?: FullReason | undefined
  readonly before?: Totals | undefined
  readonly parent?: ParentHello | undefined
}

/** The backup that an incremental builds on. */
export interface ParentHello {
  readonly date: string
  /** Of the state's artifact: the name, or that of its text alone if the sender does not read its codec. */
  readonly state: string
  readonly suffix: string
  /** It is merged: its lines cannot be copied. */
  readonly isMerged: boolean
}

/** What the sender asks. Answers come in the order of the questions. */
export type Question =
  /** Links, artifacts and lost sigvaults of the parent, as JSON. */
  | { readonly ask: 'parent' }
  /** The next bytes of the parent's state; none at its end. */
  | { readonly ask: 'state' }
  | { readonly ask: 'signature'; readonly date: string; readonly offset: number }
  /** Keys of all entries that can be found under other names. */
  | { readonly ask: 'keys' }
  | { readonly ask: 'content'; readonly sha256: string; readonly sizeBytes: number }
  | { readonly ask: 'inode'; readonly path: string; readonly ino: string }
  | { readonly ask: 'name'; readonly path: string; readonly sizeBytes: number }

/** The first bytes that each side says. */
export function encodeGreeting(): Buffer {
  return encodePreamble(PREAMBLE)
}

/** A message as frames to be written one behind the other. */
export function encodeMessage(kind: number, body: Uint8Array): readonly Uint8Array[] {
  const head = encodeFrame(kind, undefined, body.length)
  return body.length === 0 ? [head] : [head, body]
}

/** A value as the body of a message. @throws RangeError for one that is too long */
export function encodeValue(value: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(value), 'utf8')
  if (bytes.length > FRAME_BODY_BYTES) throw new RangeError('A message is too long')
  return bytes
}

/** @throws BackupError IBT_ARCHIVE_CORRUPT */
export function decodeValue<T extends object>(body: Uint8Array): T {
  try {
    const value: unknown = JSON.parse(asBuffer(body).toString('utf8'))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as T
  } catch {
    // It is as wrong as a value of another type.
  }
  throw new BackupError('IBT_ARCHIVE_CORRUPT', `${PREAMBLE.what} is damaged: a message is not a JSON object`)
}

/**
 * Reads messages to the end of the source. Memory: one message.
 *
 * @throws BackupError IBT_ARCHIVE_CORRUPT if the other side speaks something else, IBT_STATE_VERSION for another version.
 */
export async function* decodeMessages(source: Source<Uint8Array>): AsyncGenerator<Message, void, undefined> {
  const reader = new FrameReader(source, PREAMBLE)
  try {
    if (!(await reader.begin())) return
    for (let frame = await reader.next(); frame !== undefined; frame = await reader.next()) {
      if (frame.head.length > 0) throw reader.corrupt('a message has a head')
      yield { kind: frame.kind, body: frame.body }
    }
  } finally {
    await reader.close()
  }
}
