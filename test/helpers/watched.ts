import type { Source } from '../../src/types.js'

export interface WatchedOptions {
  /** Thrown after the last item. */
  readonly error?: unknown
  /** After the last item this is called, and then nothing ever happens. */
  readonly onPark?: (() => void) | undefined
}

/** A generator of items that knows what has been done with it. */
export class Watched<T> implements AsyncIterable<T> {
  readonly #items: Iterable<T>
  readonly #options: WatchedOptions
  opened = 0
  pulls = 0
  isClosed = false
  isEnded = false

  constructor(items: Iterable<T>, options: WatchedOptions = {}) {
    this.#items = items
    this.#options = options
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    this.opened += 1
    const { onPark } = this.#options
    try {
      for (const item of this.#items) {
        this.pulls += 1
        yield item
      }
      if (onPark !== undefined) {
        onPark()
        await new Promise(() => {})
      }
      if ('error' in this.#options) throw this.#options.error
      this.isEnded = true
    } finally {
      this.isClosed = true
    }
  }
}

export async function drain<T>(source: Source<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

/** Freezes an object with all that it holds, but for bytes, which cannot be frozen. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || ArrayBuffer.isView(value)) return value
  Object.freeze(value)
  for (const part of Object.values(value)) deepFreeze(part)
  return value
}
