import type { Readable } from 'node:stream'
import { createBreather } from '../flow/breathe.js'
import type { Cursor } from '../flow/cursor.js'

/**
 * Pushes items into a readable until its buffer is full, each time it asks; an error destroys it. A readable may ask again
 * while an item is on its way, or from within a push: there is one pull at a time nevertheless.
 * Empty bytes are passed over: a readable would take them for an answer and ask no more.
 */
export class Pusher {
  readonly #cursor: Cursor<unknown>
  readonly #objectMode: boolean
  #isPushing = false
  #isAsked = false

  constructor(cursor: Cursor<unknown>, objectMode: boolean) {
    this.#cursor = cursor
    this.#objectMode = objectMode
  }

  /** What a readable calls to be filled. */
  fill(readable: Readable): void {
    this.#isAsked = true
    if (this.#isPushing) return
    this.#push(readable).catch(error => {
      readable.destroy(error instanceof Error ? error : new Error('The source failed', { cause: error }))
    })
  }

  async #push(readable: Readable): Promise<void> {
    this.#isPushing = true
    const breather = createBreather()
    try {
      for (;;) {
        if (breather.due()) await breather.pause()
        const { value, done } = await this.#cursor.next()
        if (readable.destroyed) return
        const isEmpty = !this.#objectMode && !done && (value as Uint8Array).length === 0
        if (isEmpty) continue
        this.#isAsked = false
        const hasRoom = readable.push(done ? null : value)
        if (done || (!hasRoom && !this.#isAsked)) return
      }
    } finally {
      this.#isPushing = false
    }
  }
}
