import { type Batched, batches, type Source } from '../types.js'
import { hasBatches, toBatchSource } from './batches.js'
import { createBreather } from './breathe.js'
import { Cursor } from './cursor.js'
import { onAbort } from './on-abort.js'

/** A promise that an abort rejects at once with the signal's reason, whether or not it ever settles. */
export function untilAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise
  return new Promise<T>((resolve, reject) => {
    const stopListening = onAbort(signal, reject)
    promise.then(resolve, reject).finally(stopListening)
  })
}

/**
 * A source that an abort ends at once, even while it is parked; one that serves from memory lets timers run meanwhile.
 * It gives batches where its source does.
 *
 * Items and order as they are. No look-ahead. One listener for the whole source.
 * Of a source that is parked when the abort comes, `return()` is called, but not waited for.
 *
 * @throws the signal's reason.
 */
export function abortable<T>(source: Source<T>, signal: AbortSignal | undefined): AsyncGenerator<T, void, undefined> {
  if (!hasBatches(source)) return abortableItems(source, signal)
  return toBatchSource<T>(() => abortableItems<Batched<T>>(source[batches](), signal))
}

async function* abortableItems<T>(
  source: Source<T>,
  signal: AbortSignal | undefined
): AsyncGenerator<T, void, undefined> {
  const cursor = new Cursor(source)
  const breather = createBreather()
  const stopListening = onAbort(signal, reason => cursor.break(reason))
  try {
    for (;;) {
      if (breather.due()) await breather.pause()
      const pulled = cursor.next()
      const { value, done } = pulled instanceof Promise ? await pulled : pulled
      if (done) return
      yield value
    }
  } finally {
    stopListening()
    await cursor.close()
  }
}
