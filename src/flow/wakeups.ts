import { onAbort } from './on-abort.js'

/** Those who wait for something to change, whatever it is: each looks again. */
export class Wakeups {
  readonly #waiting: (() => void)[] = []

  wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** Resolves at the next `wake`, and at an abort. */
  async next(signal: AbortSignal): Promise<void> {
    let stopListening = () => {}
    await new Promise<void>(resolve => {
      this.#waiting.push(resolve)
      stopListening = onAbort(signal, () => resolve())
    })
    stopListening()
  }
}
