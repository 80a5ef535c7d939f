import assert, { AssertionError } from 'node:assert/strict'
import { test } from 'node:test'
import { batchesOf, isBatch } from '../../src/flow/batches.js'
import type { Source } from '../../src/types.js'
import { type AnyStage, CHECKS, type ContractOptions, stageContract } from './stage-contract.js'
import { drain } from './watched.js'

const makeItems = () => [{ n: 1 }, { n: 2 }, { n: 3 }]

async function* goodStage(source: Source<object>): AsyncGenerator<unknown, void, undefined> {
  for await (const item of source) yield 'n' in item ? { n: Number(item.n) * 2 } : item
}

stageContract('a good stage', () => goodStage, makeItems)

interface Bad {
  readonly promise: keyof typeof CHECKS
  readonly what: string
  readonly stage: AnyStage
  readonly options?: ContractOptions
}

/** Pulls by hand and forgets to close. */
async function* forgetful(source: Source<object>): AsyncGenerator<unknown, void, undefined> {
  const iterator = (source as AsyncIterable<object>)[Symbol.asyncIterator]()
  for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
    yield 'n' in next.value ? { ...next.value } : next.value
  }
}

const bad: readonly Bad[] = [
  {
    promise: 'pulls nothing until it is pulled',
    what: 'pulls at the call',
    stage: source => {
      const iterator = (source as AsyncIterable<unknown>)[Symbol.asyncIterator]()
      iterator.next()
      return goodStage([])
    }
  },
  {
    promise: 'reads no further ahead than it states',
    what: 'reads one item ahead',
    async *stage(source) {
      let last: unknown
      for await (const item of source) {
        if (last !== undefined) yield last
        last = item
      }
      if (last !== undefined) yield last
    }
  },
  {
    promise: 'passes unknown items on, in order',
    what: 'drops what it does not know',
    async *stage(source) {
      for await (const item of source) if ('n' in item) yield item
    }
  },
  {
    promise: 'passes unknown items on, in order',
    what: 'changes the order',
    async *stage(source) {
      yield* (await drain(source)).reverse()
    }
  },
  { promise: 'closes its source when the consumer breaks', what: 'forgets to close', stage: forgetful },
  { promise: 'closes its source when it throws', what: 'forgets to close', stage: forgetful },
  {
    promise: 'passes an error of its source on unchanged',
    what: 'wraps errors',
    async *stage(source) {
      try {
        yield* source
      } catch (cause) {
        throw new Error('wrapped', { cause })
      }
    }
  },
  {
    promise: "stops on abort with the signal's reason, even when the source is parked",
    what: 'takes an error for the end',
    async *stage(source) {
      try {
        yield* source
      } catch {}
    }
  },
  {
    promise: 'starts nothing after an abort',
    what: 'takes an error for the end',
    async *stage(source) {
      try {
        yield* source
      } catch {}
    }
  },
  {
    promise: 'never mutates its input',
    what: 'writes into an item',
    async *stage(source) {
      for await (const item of source) yield Object.assign(item, { seen: true })
    }
  },
  {
    promise: 'never reuses bytes that left it',
    what: 'writes all into one buffer',
    async *stage(source) {
      const bytes = new Uint8Array(1)
      for await (const _ of source) {
        bytes[0]! += 1
        yield { bytes }
      }
    }
  },
  {
    promise: 'yields for an empty source what it says',
    what: 'says goodbye',
    async *stage(source) {
      yield* source
      yield { n: 0 }
    }
  },
  {
    promise: 'gives the same for any cut into batches',
    what: 'takes the first item of a batch only',
    async *stage(source) {
      for await (const item of batchesOf<object>(source))
        yield isBatch(item) ? [...(item as Iterable<object>)][0] : item
    }
  },
  {
    promise: 'leaves the event loop free over many buffered items',
    what: 'collects all and gives it from memory',
    async *stage(source) {
      yield* await drain(source)
    }
  }
]

for (const { promise, what, stage, options } of bad) {
  test(`a stage that ${what} breaks the promise: ${promise}`, async () => {
    const run = CHECKS[promise]({ ...options, makeStage: () => stage, makeItems })
    await assert.rejects(run, promise === 'never mutates its input' ? TypeError : AssertionError)
  })
}

test('every promise of a stage has a bad stage that breaks it', () => {
  assert.deepEqual(new Set(bad.map(({ promise }) => promise)), new Set(Object.keys(CHECKS)))
})
