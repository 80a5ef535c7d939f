import { Readable } from 'node:stream'
import { Cursor } from '../flow/cursor.js'
import { onAbort } from '../flow/on-abort.js'
import type { Sink, Source, Stage } from '../types.js'
import { Feed, type NodeWritable } from './feed.js'
import { Pusher } from './push.js'
import { isStandardStream, writeStandard } from './stdio.js'

export type { NodeWritable } from './feed.js'

/** A Node or streamx stream that is written to and read from. */
export interface NodeDuplex extends NodeWritable {
  /** Tells a stream that can be read. */
  pipe(...rest: never[]): unknown
}

export function isNodeWritable(value: unknown): value is NodeWritable {
  return hasMethods(value, 'write', 'end', 'destroy', 'on')
}

export function isNodeTransform(value: unknown): value is NodeDuplex {
  return hasMethods(value, 'write', 'end', 'destroy', 'on', 'pipe') && Symbol.asyncIterator in (value as object)
}

function hasMethods(value: unknown, ...names: string[]): boolean {
  return (
    typeof value === 'object' && value !== null && names.every(name => typeof (value as never)[name] === 'function')
  )
}

/**
 * A Node or streamx writable as a sink: waits for `drain`, ends the stream, resolves when it has finished.
 *
 * Consumes whatever the stream takes. No look-ahead. Memory: the stream's buffer.
 * On an error or abort of either side the stream is destroyed and the source closed; the error, or the signal's reason,
 * comes out unchanged. The process' own stdout and stderr are written to, but neither ended nor destroyed.
 *
 * @throws TypeError at the call for anything that is not a writable; BackupError IBT_WRITE_FAILED if somebody else ends
 * the stream.
 */
export function toNodeWritable(stream: NodeWritable): Sink<unknown> {
  if (!isNodeWritable(stream)) throw new TypeError('toNodeWritable: a Node or streamx writable is expected')
  return async function nodeSink(source, { signal } = {}) {
    if (isStandardStream(stream)) return writeStandard(source, stream, signal)
    const feed = new Feed(source, stream)
    const stopListening = onAbort(signal, reason => feed.fail(reason))
    try {
      await feed.run()
    } finally {
      stopListening()
    }
  }
}

/**
 * A Node or streamx duplex or transform as a stage. It runs once.
 *
 * Consumes what the stream takes, yields what it gives, in its order. Look-ahead and memory: its buffers; writes wait for
 * `drain`. On an error, an abort or a consumer that stops, the stream is destroyed and the source closed.
 *
 * @throws TypeError at the call for anything else; what the stream or the source fails with.
 */
export function fromNodeTransform<A = unknown, B = unknown>(stream: NodeDuplex): Stage<A, B> {
  if (!isNodeTransform(stream)) throw new TypeError('fromNodeTransform: a Node or streamx duplex is expected')
  return async function* nodeTransformStage(source, { signal } = {}) {
    const output = new Cursor(stream as unknown as AsyncIterable<B>)
    const feed = new Feed(source, stream, error => output.break(error))
    const stopListening = onAbort(signal, reason => feed.fail(reason))
    const fed = feed.run()
    fed.catch(() => {})
    try {
      for (;;) {
        const { value, done } = await output.next()
        if (done) break
        yield value
      }
      await fed
    } catch (error) {
      throw feed.failure === undefined ? error : feed.failure.error
    } finally {
      stopListening()
      feed.fail(new Error('The consumer stopped'))
      // Not waited for: a stream may take for ever to be destroyed.
      output.close().catch(() => {})
      await fed.catch(() => {})
    }
  }
}

/** Options of `toNodeReadable`. */
export interface ReadableOptions {
  /** Items of any kind instead of bytes and strings. */
  readonly objectMode?: boolean | undefined
}

/**
 * A source as a `node:stream` Readable: of bytes and strings, or with `objectMode` of anything but null.
 *
 * Nothing is pulled before the stream is read; it reads ahead as far as its buffer goes. Destroying it closes the source,
 * without waiting for it if it is parked.
 */
export function toNodeReadable(source: Source<Uint8Array | string>, options?: ReadableOptions): Readable
export function toNodeReadable(source: Source<unknown>, options: { readonly objectMode: true }): Readable
export function toNodeReadable(source: Source<unknown>, options: ReadableOptions = {}): Readable {
  const { objectMode = false } = options
  const cursor = new Cursor(source)
  const pusher = new Pusher(cursor, objectMode)
  return new Readable({
    objectMode,
    read() {
      pusher.fill(this)
    },
    destroy(error, callback) {
      cursor.break(error ?? new Error('The stream was destroyed'))
      cursor.close().then(() => callback(error), callback)
    }
  })
}
