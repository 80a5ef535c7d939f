import { Duplex, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Sink, Source, Stage } from '../types.js'

/** The parts of a Node or streamx stream that tell what it is. */
export interface NodeWritable {
  write(chunk: never, ...rest: never[]): unknown
  end(...rest: never[]): unknown
  destroy(error?: Error): unknown
  on(event: never, listener: never): unknown
}
export interface NodeTransform extends NodeWritable {
  pipe(...rest: never[]): unknown
}

export function isNodeWritable(value: unknown): value is NodeWritable {
  return hasMethods(value, 'write', 'end', 'destroy', 'on') && !hasMethods(value, '_transform')
}

export function isNodeTransform(value: unknown): value is NodeTransform {
  return hasMethods(value, 'write', 'end', 'destroy', 'on', 'pipe')
}

function hasMethods(value: unknown, ...names: string[]): boolean {
  return (
    typeof value === 'object' && value !== null && names.every(name => typeof (value as never)[name] === 'function')
  )
}

/**
 * A Node or streamx writable as a sink: waits for `drain`, ends it, resolves when it has finished.
 * On an error or abort of either side the stream is destroyed; the error, or the signal's reason, passes on unchanged.
 */
export function toNodeSink(stream: NodeWritable): Sink<unknown> {
  return async function nodeSink(source, { signal } = {}) {
    try {
      await pipeline(source as AsyncIterable<unknown>, stream as unknown as NodeJS.WritableStream, {
        signal: signal as AbortSignal
      })
    } catch (error) {
      throw signal?.aborted ? signal.reason : error
    }
  }
}

/** A Node or streamx transform as a stage. Look-ahead and memory: those of its buffers. */
export function fromNodeTransform<A = unknown, B = unknown>(stream: NodeTransform): Stage<A, B> {
  return async function* nodeTransformStage(source, { signal } = {}) {
    const readable = stream as unknown as Readable
    const written = toNodeSink(stream)(source, { signal })
    let failure: { readonly error: unknown } | undefined
    written.catch(error => {
      failure = { error }
      readable.destroy(error instanceof Error ? error : new Error('aborted', { cause: error }))
    })
    try {
      for await (const chunk of readable) yield chunk as B
      await written
    } catch (error) {
      throw failure === undefined ? error : failure.error
    } finally {
      readable.destroy()
    }
  }
}

/** A source as a `node:stream` Readable: of bytes, or with `objectMode` of anything. */
export function toNodeReadable(
  source: Source<unknown>,
  options: { readonly objectMode?: boolean | undefined } = {}
): Readable {
  const { objectMode = false } = options
  return Readable.from(source as AsyncIterable<unknown>, { objectMode })
}

/** A stage as a `node:stream` Duplex of objects. */
export function toNodeDuplex(stage: Stage<never, unknown>): Duplex {
  return Duplex.from(stage as unknown as (source: AsyncIterable<never>) => AsyncIterable<unknown>)
}
