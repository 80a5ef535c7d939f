interface Waiting {
  readonly callbacks: Set<(reason: unknown) => void>
  readonly listener: () => void
}

const waiting = new WeakMap<AbortSignal, Waiting>()

/**
 * Calls back once when the signal aborts, at once if it has; returns what takes the callback away again.
 * All callbacks of a signal share one listener: Node warns of a leak at the eleventh.
 */
export function onAbort(signal: AbortSignal | undefined, callback: (reason: unknown) => void): () => void {
  if (signal === undefined) return () => {}
  if (signal.aborted) {
    callback(signal.reason)
    return () => {}
  }
  // One callback may wait twice.
  const own = (reason: unknown) => callback(reason)
  const { callbacks, listener } = waitingFor(signal)
  callbacks.add(own)
  return () => {
    callbacks.delete(own)
    if (callbacks.size > 0 || waiting.get(signal)?.callbacks !== callbacks) return
    waiting.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

function waitingFor(signal: AbortSignal): Waiting {
  const found = waiting.get(signal)
  if (found !== undefined) return found
  const callbacks = new Set<(reason: unknown) => void>()
  const listener = () => {
    waiting.delete(signal)
    for (const callback of callbacks) callback(signal.reason)
  }
  const made = { callbacks, listener }
  waiting.set(signal, made)
  signal.addEventListener('abort', listener, { once: true })
  return made
}
