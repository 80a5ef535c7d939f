/**
 * Pulls up to `count` items ahead, so that a source works while its consumer does.
 * Order as it is. What the source throws comes when its turn comes. Memory: `count` items.
 */
export async function* prefetch<T>(
  source: AsyncGenerator<T, void, undefined>,
  count: number
): AsyncGenerator<T, void, undefined> {
  const pulls: Promise<IteratorResult<T, void>>[] = []
  const pull = () => {
    const pulled = source.next()
    pulled.catch(() => {})
    pulls.push(pulled)
  }
  try {
    for (let i = 0; i < count; i++) pull()
    for (;;) {
      pull()
      const { value, done } = await pulls.shift()!
      if (done) return
      yield value as T
    }
  } finally {
    await source.return()
  }
}
