import { timedOut } from './dav-client.js'

/** Bytes that a server takes within the time limit. */
const SLICE_BYTES = 64 * 1024

/**
 * Chunks that somebody sends, and a signal that is aborted when a slice of them was not taken within a time. Time in which
 * nobody gives any does not count.
 */
export function paced(
  chunks: AsyncIterable<Uint8Array>,
  timeoutMs: number,
  signal: AbortSignal | undefined
): { readonly chunks: AsyncIterable<Uint8Array>; readonly signal: AbortSignal } {
  const stalled = new AbortController()
  async function* slices() {
    for await (const chunk of chunks) {
      for (let at = 0; at < chunk.length; at += SLICE_BYTES) {
        const timer = setTimeout(() => stalled.abort(timedOut(timeoutMs)), timeoutMs)
        try {
          yield chunk.subarray(at, at + SLICE_BYTES)
        } finally {
          clearTimeout(timer)
        }
      }
    }
  }
  return { chunks: slices(), signal: signal ? AbortSignal.any([signal, stalled.signal]) : stalled.signal }
}
