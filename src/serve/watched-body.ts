import { onAbort } from '../flow/on-abort.js'

/**
 * A body that says once when it is over: it was read to its end, was cancelled, has failed, or its request was aborted.
 * Pulled one chunk at a time.
 */
export function watchBody<T>(body: ReadableStream<T>, signal: AbortSignal, onOver: () => void): ReadableStream<T> {
  const reader = body.getReader()
  let isOver = false
  let stopListening = () => {}
  const over = () => {
    stopListening()
    if (!isOver) onOver()
    isOver = true
  }
  stopListening = onAbort(signal, over)
  return new ReadableStream<T>(
    {
      async pull(controller) {
        try {
          const { value, done } = await reader.read()
          if (!done) return controller.enqueue(value)
        } catch (error) {
          over()
          throw error
        }
        over()
        controller.close()
      },
      cancel(reason) {
        over()
        return reader.cancel(reason)
      }
    },
    { highWaterMark: 0 }
  )
}
