import fc from 'fast-check'

/**
 * Holds a property to `numRuns` runs, or to those that begin within a time: the first one in any case, so that a loaded
 * machine does less and does not fail. A run that has begun is not interrupted.
 */
export async function assertUntil<T>(
  limitMs: number,
  parameters: fc.Parameters<[T]>,
  story: fc.Arbitrary<T>,
  holds: (value: T) => Promise<void>
): Promise<void> {
  const until = Date.now() + limitMs
  let isFirst = true
  let hasFailed = false
  const property = fc.asyncProperty(story, async value => {
    // What has failed is made smaller for as long again.
    if (!isFirst && Date.now() > until + (hasFailed ? limitMs : 0)) return
    isFirst = false
    try {
      await holds(value)
    } catch (error) {
      hasFailed = true
      throw error
    }
  })
  await fc.assert(property, { ...parameters, includeErrorInReport: true })
}
