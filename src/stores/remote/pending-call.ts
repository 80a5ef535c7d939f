import { WITHDRAW_MS } from '../../constants.js'
import type { Call } from './call.js'
import { Frame } from './frames.js'

/** A call that was sent. */
export class PendingCall {
  readonly result: Promise<unknown>
  isOver = false
  #resolve!: (value: unknown) => void
  #reject!: (error: unknown) => void

  constructor(
    readonly call: Call,
    readonly onOver: () => void
  ) {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.result.catch(() => {})
  }

  succeed(value: unknown): void {
    this.#over()
    this.call.end()
    this.#resolve(value)
  }

  fail(error: unknown): void {
    this.#over()
    this.call.fail(error)
    this.#reject(error)
  }

  /** Asks the other side to stop. */
  cancel(): void {
    if (!this.isOver) this.call.connection.send(Frame.cancel, this.call.id)
  }

  /** Asks the other side to stop, and waits until it has. */
  async stop(): Promise<void> {
    this.cancel()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>(resolve => {
      timer = setTimeout(resolve, WITHDRAW_MS)
    })
    await Promise.race([
      this.result.then(
        () => {},
        () => {}
      ),
      late
    ])
    clearTimeout(timer)
  }

  #over(): void {
    this.isOver = true
    this.call.close()
    this.onOver()
  }
}
