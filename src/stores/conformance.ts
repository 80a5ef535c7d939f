import type { Store } from '../types.js'
import { endsWithin } from './checks/checks.js'
import { storeChecks } from './checks/store-checks.js'

/** What the suite needs to know of a store. */
export interface ConformanceOptions {
  /** Declares a test: `test` of node:test, or what is like it. */
  readonly test: (title: string, body: () => Promise<void>) => unknown
  /** Milliseconds that one test may take. Default: 30,000. */
  readonly timeoutMs?: number | undefined
  /** Called with the store after each test, also after one that failed: removes what it left. */
  readonly teardown?: ((store: Store) => unknown) | undefined
  /** Also puts and lists 1,001 names: more than S3 lists at a time. */
  readonly many?: boolean | undefined
}

const TIMEOUT_MS = 30_000

/**
 * Declares the tests of what a store promises, for stores of your own too:
 * `storeConformance('mine', () => myStore(), { test })`. Each test gets an empty store of its own.
 */
export function storeConformance(
  name: string,
  makeStore: () => Store | Promise<Store>,
  { test, timeoutMs = TIMEOUT_MS, teardown, many = false }: ConformanceOptions
): void {
  for (const [title, check] of Object.entries(storeChecks({ many }))) {
    test(`${name}: ${title}`, async () => {
      const store = await makeStore()
      try {
        await endsWithin(timeoutMs, check(store))
      } finally {
        await teardown?.(store)
      }
    })
  }
}
