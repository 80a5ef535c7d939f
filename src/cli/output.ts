import { BackupError } from '../errors.js'

const CHARACTERS = 64 * 1024

const failures: NodeJS.ErrnoException[] = []

/** From now on an output that nobody reads, or that is full, throws nothing. */
export function watchOutput(): void {
  process.stdout.on('error', error => failures.push(error))
  process.stderr.on('error', () => {})
}

/** What stdout has failed with, but for a reader that has seen enough. */
export async function outputFailure(): Promise<NodeJS.ErrnoException | undefined> {
  await write('')
  return failures.find(isFault)
}

/** For people, on stderr. */
export function say(text: string): void {
  process.stderr.write(text)
}

/**
 * Many lines on stdout: written in pieces, and no faster than they are read. Memory: one piece.
 * Where nobody reads them any more they are dropped: the run goes on, so that its exit code says what it found.
 *
 * @throws BackupError IBT_WRITE_FAILED
 */
export class Output {
  #text = ''
  #isClosed = false

  async write(line: string): Promise<void> {
    this.#text += line
    if (this.#text.length >= CHARACTERS) await this.end()
  }

  async end(): Promise<void> {
    const text = this.#text
    this.#text = ''
    if (text === '' || this.#isClosed) return
    const error = await write(text)
    if (error === undefined) return
    if (isFault(error)) throw new BackupError('IBT_WRITE_FAILED', 'Cannot write to stdout', { cause: error })
    this.#isClosed = true
  }
}

function write(text: string): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise(resolve => process.stdout.write(text, error => resolve(error ?? undefined)))
}

function isFault({ code }: NodeJS.ErrnoException): boolean {
  return code !== 'EPIPE'
}
