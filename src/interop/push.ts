import type { Readable } from 'node:stream'
import { createBreather } from '../flow/breathe.js'
import type { Cursor } from '../flow/cursor.js'

/** Pushes items into a readable until its buffer is full; an error destroys it. */
export function pushInto(readable: Readable, cursor: Cursor<unknown>, objectMode: boolean): void {
  push(readable, cursor, objectMode).catch(error => {
    readable.destroy(error instanceof Error ? error : new Error('The source failed', { cause: error }))
  })
}

/** Empty bytes are passed over: a readable would take them for an answer and ask no more. */
async function push(readable: Readable, cursor: Cursor<unknown>, objectMode: boolean): Promise<void> {
  const breather = createBreather()
  for (;;) {
    if (breather.due()) await breather.pause()
    const { value, done } = await cursor.next()
    if (readable.destroyed) return
    const isEmpty = !objectMode && !done && (value as Uint8Array).length === 0
    if (!isEmpty && !readable.push(done ? null : value)) return
  }
}
