import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { BackupError, isBackupError } from '../errors.js'

/** A command of the shell that is talked to over its stdin and stdout. Its stderr is ours. */
export class Child {
  readonly #child

  constructor(readonly command: string) {
    this.#child = spawn(command, { shell: true, stdio: ['pipe', 'pipe', 'inherit'] })
    // The line says what there is to say.
    this.#child.on('error', () => {})
    this.#exit = this.#child.exitCode === null ? once(this.#child, 'exit') : Promise.resolve([])
    this.#exit.catch(() => {})
  }

  readonly #exit: Promise<unknown[]>

  /** The connection to it. */
  get ends() {
    return { readable: this.#child.stdout, writable: this.#child.stdin }
  }

  /** An error with the reason why the command has ended, where the error does not say it. */
  async explain(error: unknown): Promise<unknown> {
    if (!isBackupError(error) || error.code !== 'IBT_CONNECTION_LOST') return error
    this.end()
    const [code, signal] = await this.#exit.catch((cause: Error) => [cause.message])
    const how = `'${this.command}' ended with ${code ?? signal}`
    return new BackupError(error.code, `${error.message}: ${how}`, { cause: error.cause })
  }

  /** Ends it, if it has not ended by itself. */
  end(): void {
    this.#child.stdin.destroy()
    this.#child.stdout.destroy()
  }
}
