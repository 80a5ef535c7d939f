import { MessageChannel, type MessagePort } from 'node:worker_threads'

let closed: MessagePort | undefined

/**
 * Gives memory back at once that nobody but the caller has; what shares a buffer with other bytes is left alone. Left to
 * the garbage collector, what `node:crypto` makes of 50 MiB would cost a collection of the whole heap: more time than to
 * encrypt it. What is transferred to a closed port is dropped, by the standard of HTML.
 */
export function freeAll(all: readonly Uint8Array[]): void {
  closed ??= closedPort()
  const own = all.filter(({ byteLength, buffer }) => byteLength > 0 && byteLength === buffer.byteLength)
  closed.postMessage(
    undefined,
    own.map(({ buffer }) => buffer as ArrayBuffer)
  )
}

function closedPort(): MessagePort {
  const { port1, port2 } = new MessageChannel()
  port1.close()
  port2.close()
  return port1
}
