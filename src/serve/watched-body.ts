import { onAbort } from '../flow/on-abort.js'
import { StallWatch } from './stall-watch.js'

export interface WatchOptions {
  readonly signal: AbortSignal
  /** Milliseconds that nobody may read, after which the body fails. */
  readonly stalledMs: number
  /** Called once when the body is over: it was read to its end, was cancelled, has failed, or its request was aborted. */
  readonly onOver: () => void
}

/** A body that says when it is over, also if nobody ever reads it. Pulled one chunk at a time. */
export function watchBody<T>(body: ReadableStream<T>, { signal, stalledMs, onOver }: WatchOptions): ReadableStream<T> {
  const reader = body.getReader()
  let isOver = false
  let stopListening = () => {}
  let fail = (_: Error) => {}
  const watch = new StallWatch(stalledMs, error => {
    over()
    fail(error)
    reader.cancel(error).catch(() => {})
  })
  const over = () => {
    stopListening()
    watch.end()
    if (!isOver) onOver()
    isOver = true
  }
  watch.begin()
  stopListening = onAbort(signal, over)
  return new ReadableStream<T>(
    {
      start(controller) {
        fail = error => controller.error(error)
      },
      async pull(controller) {
        watch.end()
        try {
          const { value, done } = await reader.read()
          if (!done) {
            if (!isOver) watch.begin()
            return controller.enqueue(value)
          }
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
