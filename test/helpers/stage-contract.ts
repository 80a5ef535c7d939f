import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { batchesOf, isBatch, toBatch, toBatchSource } from '../../src/flow/batches.js'
import { pipe } from '../../src/interop/pipe.js'
import type { Batched, Source, Stage } from '../../src/types.js'

// biome-ignore lint/suspicious/noExplicitAny: the contract holds for stages of whatever items
export type AnyStage = Stage<any, any>

export interface ContractOptions {
  /** Items that the stage has pulled, at most, beyond the one that it yields. Default: 0. */
  readonly lookAhead?: number | undefined
  /** It yields something for an empty source, too. */
  readonly emitsAtEnd?: boolean | undefined
  /** Makes an item that the stage passes on. Default: one that no stage knows. */
  readonly makeMark?: ((index: number) => object) | undefined
  /** What comes out for a mark. Default: the mark itself. */
  readonly markOutput?: ((mark: object) => unknown) | undefined
  /** Makes one of many items for the check that the event loop stays free. Default: `makeMark`. */
  readonly makeMany?: ((index: number) => object) | undefined
}

/** What a check is about: a fresh stage and fresh items at every call. */
export interface Subject extends ContractOptions {
  readonly makeStage: () => AnyStage
  readonly makeItems: () => readonly object[]
}

const MARKS = 40
/** The test runner's hooks make every promise ten times as slow: a million items take ten seconds under it. */
const MANY = process.env.SLOW === '1' ? 1_000_000 : 100_000
const TIMEOUT_MS = 300_000

/** Registers one test for each promise that every stage makes. `makeItems`: items that the stage knows, in path order. */
export function stageContract(
  name: string,
  makeStage: () => AnyStage,
  makeItems: () => readonly object[],
  options: ContractOptions = {}
): void {
  const subject = { ...options, makeStage, makeItems }
  for (const [promise, check] of Object.entries(CHECKS)) {
    test(`${name} ${promise}`, { timeout: TIMEOUT_MS }, () => check(subject))
  }
}

/** A source that counts what is done to it. It is no generator: it sees a pull and a `return()` at once. */
export class WatchedSource implements AsyncIterableIterator<object> {
  pulls = 0
  returns = 0
  opened = 0
  readonly #items: Iterator<object>
  readonly #atEnd: () => Promise<IteratorResult<object>>

  constructor(items: Iterable<object>, atEnd: () => Promise<IteratorResult<object>> = ended) {
    this.#items = items[Symbol.iterator]()
    this.#atEnd = atEnd
  }

  [Symbol.asyncIterator](): this {
    this.opened++
    return this
  }

  async next(): Promise<IteratorResult<object>> {
    this.pulls++
    const next = this.#items.next()
    return next.done ? this.#atEnd() : next
  }

  async return(): Promise<IteratorResult<object>> {
    this.returns++
    return ended()
  }
}

async function ended(): Promise<IteratorResult<object>> {
  return { done: true, value: undefined }
}

const forever = () => new Promise<never>(() => {})

export async function pullsNothingUntilPulled({ makeStage, makeItems }: Subject): Promise<void> {
  const source = new WatchedSource(makeItems())
  makeStage()(source)
  for (let turn = 0; turn < 5; turn++) await setImmediate()
  assert.deepEqual([source.opened, source.pulls], [0, 0])
}

export async function readsNoFurtherAhead(subject: Subject): Promise<void> {
  const { lookAhead = 0 } = subject
  const { items, marks } = withMarks(subject)
  const source = new WatchedSource(items)
  let seen = 0
  for await (const output of subject.makeStage()(source)) {
    const position = marks.get(output)
    if (position === undefined) continue
    seen++
    const ahead = source.pulls - (position + 1)
    assert.ok(ahead <= lookAhead, `${ahead} items ahead at item ${position}, ${lookAhead} are stated`)
  }
  assert.equal(seen, marks.size)
}

export async function passesUnknownItems(subject: Subject): Promise<void> {
  const { items, marks } = withMarks(subject)
  const seen: unknown[] = []
  for await (const output of subject.makeStage()(items)) if (marks.has(output)) seen.push(output)
  assert.deepEqual(
    seen.map(mark => marks.get(mark)),
    [...marks.values()]
  )
}

export async function closesItsSourceWhenTheConsumerBreaks(subject: Subject): Promise<void> {
  const { makeMark = unknownMark } = subject
  const source = new WatchedSource([makeMark(0), makeMark(1), makeMark(2), ...withMarks(subject).items])
  let first = true
  for await (const _ of subject.makeStage()(source)) {
    if (!first) break
    first = false
  }
  assert.equal(source.returns, 1)
}

export async function closesItsSourceWhenItThrows(subject: Subject): Promise<void> {
  const { makeStage, makeItems, makeMark = unknownMark } = subject
  const rest = Array.from({ length: 200 }, (_, i) => makeMark(i))
  const source = new WatchedSource([...makeItems(), poison(), ...rest])
  await assert.rejects(drain(makeStage()(source)), isPoison)
  assert.equal(source.returns, 1)
}

export async function passesASourceErrorUnchanged({ makeStage, makeItems }: Subject): Promise<void> {
  for (const error of [new Error('of the source'), { reason: 'no Error' }]) {
    const source = new WatchedSource(makeItems(), () => Promise.reject(error))
    assert.equal(await rejection(drain(makeStage()(source))), error)
  }
}

export async function stopsOnAbort(subject: Subject): Promise<void> {
  const { items } = withMarks(subject)
  const reason = { reason: 'no Error either' }
  const controller = new AbortController()
  const source = new WatchedSource(items, forever)
  const outcome = rejection(drain(pipe(source, subject.makeStage(), { signal: controller.signal })))
  while (source.pulls <= items.length) await setImmediate()
  await setImmediate()
  controller.abort(reason)
  assert.equal(await outcome, reason)
  assert.equal(source.returns, 1)
}

export async function startsNothingAfterAnAbort(subject: Subject): Promise<void> {
  const reason = new Error('before the start')
  const source = new WatchedSource(subject.makeItems())
  const items = pipe(source, subject.makeStage(), { signal: AbortSignal.abort(reason) })
  assert.equal(await rejection(drain(items)), reason)
  assert.equal(source.pulls, 0)
}

export async function neverMutatesItsInput(subject: Subject): Promise<void> {
  const { items } = withMarks(subject)
  const bytes = new Map<Uint8Array, Buffer>()
  for (const item of items) deepFreeze(item, bytes)
  await drain(subject.makeStage()(items))
  for (const [view, copy] of bytes) assert.ok(copy.equals(view), 'bytes that came in were written to')
}

export async function neverReusesBytes(subject: Subject): Promise<void> {
  const bytes = new Map<Uint8Array, Buffer>()
  for await (const output of subject.makeStage()(withMarks(subject).items)) findBytes(output, bytes, new Set())
  for (const [view, copy] of bytes) assert.ok(copy.equals(view), 'bytes that went out were written to again')
}

export async function yieldsNothingForNothing({ makeStage, emitsAtEnd = false }: Subject): Promise<void> {
  let outputs = 0
  for await (const _ of makeStage()([])) outputs++
  assert.equal(outputs > 0, emitsAtEnd)
}

/** Of items in batches as of single ones, whether it is read in batches or one by one. */
export async function givesTheSameForAnyCut(subject: Subject): Promise<void> {
  const expected = (await collect(subject.makeStage()(withMarks(subject).items))).map(describe)
  for (const cut of [1, 2, 7, Infinity]) {
    for (const inBatches of [false, true]) {
      const source = toBatchSource(() => cutIntoBatches(withMarks(subject).items, cut))
      const outputs = await collect(subject.makeStage()(source), inBatches)
      assert.deepEqual(outputs.map(describe), expected, `batches of ${cut}, read ${inBatches ? 'so' : 'one by one'}`)
    }
  }
}

async function* cutIntoBatches(items: readonly object[], count: number): AsyncGenerator<Batched<object>> {
  for (let at = 0; at < items.length; ) {
    const end = Math.min(items.length, at + count)
    // A batch of one is no special case, nor is one item without a batch.
    yield end - at === 1 && at % 2 === 0 ? items[at]! : toBatch(items.slice(at, end))
    at = end
  }
}

async function collect(source: Source<object>, inBatches = false): Promise<object[]> {
  const outputs: object[] = []
  for await (const item of inBatches ? batchesOf<object>(source) : source) {
    if (isBatch(item)) outputs.push(...(item as Iterable<object>))
    else outputs.push(item)
  }
  return outputs
}

/** What can be compared of an output: not the functions that read it. */
function describe(output: object): unknown {
  const seen = new Set<unknown>()
  return JSON.parse(
    JSON.stringify(output, (_, value) => {
      if (typeof value === 'bigint') return `${value}n`
      if (ArrayBuffer.isView(value))
        return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
      if (typeof value !== 'object' || value === null) return value
      if (seen.has(value)) return 'seen'
      seen.add(value)
      return value
    }) ?? 'null'
  )
}

/** Items are counted between two ticks of a timer: no clock is asked. */
export async function leavesTheEventLoopFree(subject: Subject): Promise<void> {
  const { makeStage, makeMark = unknownMark, makeMany = makeMark } = subject
  let sinceTick = 0
  let most = 0
  const count = () => {
    if (++sinceTick > most) most = sinceTick
  }
  function* many() {
    for (let i = 0; i < MANY; i++) {
      count()
      yield makeMany(i)
    }
  }
  const timer = setInterval(() => {
    sinceTick = 0
  }, 1)
  try {
    for await (const _ of pipe(many(), makeStage())) count()
  } finally {
    clearInterval(timer)
  }
  assert.ok(most < MANY / 2, `${most} items went in and out between two ticks of a timer`)
}

export const CHECKS = {
  'pulls nothing until it is pulled': pullsNothingUntilPulled,
  'reads no further ahead than it states': readsNoFurtherAhead,
  'passes unknown items on, in order': passesUnknownItems,
  'closes its source when the consumer breaks': closesItsSourceWhenTheConsumerBreaks,
  'closes its source when it throws': closesItsSourceWhenItThrows,
  'passes an error of its source on unchanged': passesASourceErrorUnchanged,
  "stops on abort with the signal's reason, even when the source is parked": stopsOnAbort,
  'starts nothing after an abort': startsNothingAfterAnAbort,
  'never mutates its input': neverMutatesItsInput,
  'never reuses bytes that left it': neverReusesBytes,
  'yields for an empty source what it says': yieldsNothingForNothing,
  'gives the same for any cut into batches': givesTheSameForAnyCut,
  'leaves the event loop free over many buffered items': leavesTheEventLoopFree
}

function unknownMark(index: number): object {
  return { mark: index }
}

/** The stage's items with marks between them, and the place of each mark by what comes out for it. */
function withMarks({ makeItems, makeMark = unknownMark, markOutput = mark => mark }: Subject) {
  const items: object[] = []
  const marks = new Map<unknown, number>()
  const known = makeItems()
  for (let i = 0; i < Math.max(known.length, MARKS); i++) {
    const item = known[i]
    if (item !== undefined) items.push(item)
    const mark = makeMark(i)
    marks.set(markOutput(mark), items.length)
    items.push(mark)
  }
  return { items, marks }
}

const POISON = 'the item cannot be looked at'

function poison(): object {
  const refuse = () => {
    throw new Error(POISON)
  }
  return new Proxy({}, { has: refuse, get: refuse, ownKeys: refuse, getPrototypeOf: refuse })
}

function isPoison(error: unknown): boolean {
  return error instanceof Error && error.message === POISON
}

async function drain(source: Source<unknown>): Promise<void> {
  for await (const _ of source);
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    return error
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' })
}

/** Freezes all but bytes, which cannot be frozen: they are copied. */
function deepFreeze(value: unknown, bytes: Map<Uint8Array, Buffer>): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return
  if (value instanceof Uint8Array) {
    bytes.set(value, Buffer.from(value))
    return
  }
  Object.freeze(value)
  for (const part of Object.values(value)) deepFreeze(part, bytes)
}

function findBytes(value: unknown, bytes: Map<Uint8Array, Buffer>, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return
  seen.add(value)
  if (value instanceof Uint8Array) {
    if (!bytes.has(value)) bytes.set(value, Buffer.from(value))
  } else for (const part of Object.values(value)) findBytes(part, bytes, seen)
}
