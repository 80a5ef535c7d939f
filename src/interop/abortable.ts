import type { Source } from '../types.js'

/**
 * A source that an abort ends at once, even while it is parked. One listener for the whole source.
 * Order and items as they are. A parked source's `return()` is called then, but not waited for.
 *
 * @throws the signal's reason.
 */
export async function* abortable<T>(
  source: Source<T>,
  signal: AbortSignal | undefined
): AsyncGenerator<T, void, undefined> {
  if (signal === undefined) {
    yield* source
    return
  }
  signal.throwIfAborted()
  const iterator = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
  let interrupt: ((reason: unknown) => void) | undefined
  const abort = () => interrupt?.(signal.reason)
  signal.addEventListener('abort', abort)
  let isOpen = true
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        interrupt = reject
        Promise.resolve(iterator.next()).then(resolve, reject)
      }).catch(error => {
        isOpen = signal.aborted
        throw error
      })
      interrupt = undefined
      if (next.done) {
        isOpen = false
        return
      }
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    if (isOpen) await close(iterator, signal)
  }
}

async function close(iterator: AsyncIterator<unknown> | Iterator<unknown>, signal: AbortSignal): Promise<void> {
  const closed = Promise.resolve(iterator.return?.())
  if (!signal.aborted) await closed
  else closed.catch(() => {})
}
