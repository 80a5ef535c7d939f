import { abortable } from '../flow/abortable.js'
import type { Source } from '../types.js'

interface StandardStream {
  write(chunk: unknown, callback: (error?: Error | null) => void): boolean
  on(event: 'error', listener: () => void): unknown
  off(event: 'error', listener: () => void): unknown
}

/** The process' own outputs belong to everybody: nobody may end or destroy them. */
export function isStandardStream(stream: unknown): boolean {
  return stream === process.stdout || stream === process.stderr
}

/** Writes into the process' stdout or stderr; resolves when the last byte has been taken. @throws EPIPE and the like */
export async function writeStandard(
  source: Source<unknown>,
  stream: unknown,
  signal: AbortSignal | undefined
): Promise<void> {
  const output = stream as StandardStream
  // The error of a write comes to its callback first, and a moment later as an event that must find a listener.
  const ignore = () => {}
  output.on('error', ignore)
  try {
    for await (const chunk of abortable(source, signal)) {
      await new Promise<void>((resolve, reject) => {
        output.write(chunk, error => (error ? reject(error) : resolve()))
      })
    }
  } finally {
    setImmediate(() => output.off('error', ignore))
  }
}
