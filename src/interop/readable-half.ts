import type { Duplex } from 'node:stream'
import type { Source } from '../types.js'
import { isNodeTransform } from './node.js'

/** What a streamx duplex does; Node's own has an `iterator` that can leave the stream as it is. */
interface StreamxDuplex {
  readonly destroyed: boolean
  read(): unknown
  destroy(): unknown
  on(event: string, listener: (error: unknown) => void): unknown
}

/**
 * The readable half of a Node or streamx duplex as a source. At its end the other half stays as it is, for which the
 * iterator of the stream would destroy it (Node) or wait (streamx). A consumer that stops early destroys the stream.
 * Every other source comes back as it is: a readable that is destroyed at its end closes its file.
 */
export function readableHalf(source: Source<unknown>): Source<unknown> {
  if (!isNodeTransform(source)) return source
  const duplex = source as unknown as Duplex & StreamxDuplex
  return {
    [Symbol.asyncIterator]() {
      const items = 'iterator' in duplex ? duplex.iterator({ destroyOnReturn: false }) : readToEnd(duplex)
      return {
        next: () => items.next(),
        return() {
          duplex.destroy()
          return items.return!()
        }
      }
    }
  }
}

async function* readToEnd(stream: StreamxDuplex): AsyncGenerator<unknown, void, undefined> {
  let failure: { readonly error: unknown } | undefined
  let isEnded = false
  let isClosed = stream.destroyed
  let wake = () => {}
  stream.on('readable', () => wake())
  stream.on('end', () => {
    isEnded = true
    wake()
  })
  stream.on('close', () => {
    isClosed = true
    wake()
  })
  stream.on('error', error => {
    failure ??= { error }
    wake()
  })
  for (;;) {
    const item = stream.read()
    if (item !== null) yield item
    else if (failure !== undefined) throw failure.error
    else if (isEnded) return
    else if (isClosed) throw new Error('The stream was closed before its end')
    else {
      await new Promise<void>(resolve => {
        wake = resolve
      })
    }
  }
}
