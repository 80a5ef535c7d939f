/** Anything that can be iterated: arrays, generators, Node, streamx and web readable streams. */
export type Source<T> = AsyncIterable<T> | Iterable<T>
