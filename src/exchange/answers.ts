import { BackupError } from '../errors.js'
import { asBuffer, ByteReader } from '../format/byte-reader.js'
import { FRAME_BODY_BYTES } from '../format/frames.js'
import { encodeStateEntry } from '../format/state-encode.js'
import type { FoundOrigins } from '../stores/origins.js'
import type { Artifact, ChainLink, Origin, SignaturePlace, Source } from '../types.js'
import type { Line } from './line.js'
import { decodeValue, Kind, type Question } from './messages.js'

/** Questions that wait for their answers, at most: no sender of ours asks as many. */
const QUESTIONS_MAX = 100_000
/** Bytes of one answer to a question for the state. */
export const STATE_PART_BYTES = 256 * 1024

/** What the receiver tells of the backup that is built on. */
export interface AnswerSource {
  readonly links: readonly ChainLink[]
  readonly requires?: readonly string[] | undefined
  readonly artifacts: readonly Artifact[]
  /** Dates of sigvaults that are gone. */
  readonly lost: readonly string[]
  /** Bytes of the state, once. */
  readonly state: () => Source<Uint8Array>
  readonly signature: (place: SignaturePlace) => Promise<Uint8Array | undefined>
  readonly origins: FoundOrigins
}

/**
 * Answers the questions of a sender, one after the other, so that answers need no numbers. Memory: the questions that
 * wait, and one answer.
 */
export class Answers {
  readonly #chainIndex: ReadonlyMap<string, number>
  #state: ByteReader | undefined
  #waiting = 0
  #last: Promise<void> = Promise.resolve()

  constructor(
    readonly source: AnswerSource,
    readonly line: Line
  ) {
    this.#chainIndex = new Map(source.links.map(({ date }, index) => [date, index]))
  }

  /** Takes a question. @throws BackupError IBT_ARCHIVE_CORRUPT for too many at a time */
  take(body: Uint8Array): void {
    const question = decodeValue<Question>(body)
    if (++this.#waiting > QUESTIONS_MAX) throw wrong('asks too much at a time')
    this.#last = this.#last.then(async () => {
      try {
        await this.#say(await this.#answer(question))
      } catch (error) {
        this.line.fail(error)
      }
      this.#waiting--
    })
  }

  /** Ends what is still being read, when the last answer is given. */
  async close(): Promise<void> {
    await this.#last
    await this.#state?.close()
  }

  async #say(answer: Uint8Array | undefined): Promise<void> {
    if (answer === undefined) return this.line.send(Kind.none)
    let at = 0
    for (; answer.length - at > FRAME_BODY_BYTES; at += FRAME_BODY_BYTES) {
      await this.line.send(Kind.part, answer.subarray(at, at + FRAME_BODY_BYTES))
    }
    await this.line.send(Kind.last, answer.subarray(at))
  }

  async #answer(question: Question): Promise<Uint8Array | undefined> {
    const { links, requires, artifacts, lost, origins, signature } = this.source
    switch (question.ask) {
      case 'parent':
        return Buffer.from(JSON.stringify({ links, requires, artifacts, lost }), 'utf8')
      case 'state': {
        this.#state ??= new ByteReader(this.source.state())
        const bytes = await this.#state.some(STATE_PART_BYTES)
        return bytes.length === 0 ? undefined : bytes
      }
      case 'signature':
        return signature({ date: text(question.date), offset: number(question.offset) })
      case 'keys':
        return encodeKeys(await origins.keys())
      case 'content':
        return this.#entry(await origins.ofContent(text(question.sha256), number(question.sizeBytes)))
      case 'inode':
        return this.#entry(await origins.ofInode({ ...NAMELESS, path: text(question.path), ino: bigint(question.ino) }))
      case 'name': {
        const { path, sizeBytes } = question
        return this.#entry(await origins.ofName({ ...NAMELESS, path: text(path), sizeBytes: number(sizeBytes) }))
      }
      default:
        throw wrong('asks for what this version does not know')
    }
  }

  #entry(origin: Origin | undefined): Uint8Array | undefined {
    return origin && Buffer.from(encodeStateEntry(origin.entry, this.#chainIndex), 'utf8')
  }
}

/** Origins are found by the other fields. */
const NAMELESS = { type: 'file', mode: 0, uid: 0, gid: 0, mtimeNs: 0n } as const

/** The numbers of keys of each kind, then the keys. */
function encodeKeys(keys: {
  readonly contents: Uint32Array
  readonly inodes: Uint32Array
  readonly families: Uint32Array
}) {
  const kinds = [keys.contents, keys.inodes, keys.families]
  const lengths = Uint32Array.from(kinds, ({ length }) => length)
  return Buffer.concat([lengths, ...kinds].map(toLittleEndian))
}

function toLittleEndian(numbers: Uint32Array): Buffer {
  const bytes = asBuffer(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength))
  return IS_LITTLE ? bytes : Buffer.from(bytes).swap32()
}

const IS_LITTLE = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1

function text(value: unknown): string {
  if (typeof value === 'string') return value
  throw wrong('asks without a text')
}

function number(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw wrong('asks without a number')
}

function bigint(value: unknown): bigint {
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) return BigInt(value)
  throw wrong('asks without an inode')
}

function wrong(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `What the sender says is damaged: it ${what}`)
}
