import { BackupError } from '../errors.js'
import type { Line } from './line.js'
import { Kind, type Message, type Question } from './messages.js'

interface Asked {
  readonly maxBytes: number
  readonly parts: Uint8Array[]
  sizeBytes: number
  readonly resolve: (answer: Buffer | undefined) => void
}

/** Asks the receiver. Answers come in the order of the questions, so none has a number. Memory: the answers under way. */
export class Asker {
  readonly #asked: Asked[] = []

  constructor(readonly line: () => Line) {}

  /** Undefined if there is no such thing. @throws the failure of the line */
  async ask(question: Question, maxBytes: number): Promise<Buffer | undefined> {
    const line = this.line()
    line.signal.throwIfAborted()
    const answer = new Promise<Buffer | undefined>(resolve => {
      this.#asked.push({ maxBytes, parts: [], sizeBytes: 0, resolve })
    })
    await line.send(Kind.question, question)
    return line.until(answer)
  }

  /** @throws BackupError IBT_ARCHIVE_CORRUPT for an answer that nobody has asked for, or that is too long */
  take({ kind, body }: Message): void {
    const [asked] = this.#asked
    if (asked === undefined) throw wrong('answers what was not asked')
    if (kind === Kind.none) asked.resolve(undefined)
    else {
      asked.parts.push(body)
      asked.sizeBytes += body.length
      if (asked.sizeBytes > asked.maxBytes) throw wrong(`answers with more than ${asked.maxBytes} bytes`)
      if (kind === Kind.part) return
      asked.resolve(Buffer.concat(asked.parts))
    }
    this.#asked.shift()
  }
}

function wrong(what: string): BackupError {
  return new BackupError('IBT_ARCHIVE_CORRUPT', `What the other side says is damaged: it ${what}`)
}
