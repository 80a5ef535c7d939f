import { untilAbort } from '../../flow/abortable.js'
import { type Judgement, Patience, type Retries } from '../../flow/patience.js'
import { type Connection, ConnectionError } from './connection.js'

const JUDGEMENT: Judgement = { isTransient: error => error instanceof ConnectionError }

/** The connection of a store: made when it is first needed, shared by all calls, made anew when it broke. */
export class SharedConnection {
  #current: Promise<Connection> | undefined

  constructor(
    readonly open: () => Promise<Connection>,
    readonly retries: Retries
  ) {}

  /**
   * Calls with a connection; if that breaks, once more with another one, after a pause: for what can be repeated.
   * @throws what the call throws; ConnectionError after the last attempt
   */
  async repeat<T>(call: (connection: Connection) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (const attempts = this.attempts(signal); ; ) {
      try {
        return await untilAbort(this.#connected().then(call), signal)
      } catch (error) {
        await attempts.pause(error)
      }
    }
  }

  /** @throws what the connection cannot be made for */
  connected(signal: AbortSignal | undefined): Promise<Connection> {
    return untilAbort(this.#connected(), signal)
  }

  attempts(signal: AbortSignal | undefined): Patience {
    return new Patience(this.retries, JUDGEMENT, signal)
  }

  close(): void {
    this.#current?.then(
      connection => connection.close(new Error('The store has been closed')),
      () => {}
    )
    this.#current = undefined
  }

  async #connected(): Promise<Connection> {
    const earlier = this.#current
    if (earlier !== undefined) {
      const connection = await earlier
      if (!connection.lost.aborted) return connection
    }
    // Another call may have begun one meanwhile.
    if (this.#current === earlier) {
      const opening = this.open()
      this.#current = opening
      opening.catch(() => {
        if (this.#current === opening) this.#current = undefined
      })
    }
    return this.#current ?? this.#connected()
  }
}
