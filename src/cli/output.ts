import { once } from 'node:events'

const CHARACTERS = 64 * 1024

/** Many lines on stdout: written in pieces, and no faster than they are read. Memory: one piece. */
export class Output {
  #text = ''

  async write(line: string): Promise<void> {
    this.#text += line
    if (this.#text.length >= CHARACTERS) await this.end()
  }

  async end(): Promise<void> {
    const text = this.#text
    this.#text = ''
    if (text !== '' && !process.stdout.write(text)) await once(process.stdout, 'drain')
  }
}
