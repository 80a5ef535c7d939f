import { type TracingChannel, tracingChannel } from 'node:diagnostics_channel'

/**
 * What runs, artifacts and stores say to whoever listens, by Node's `diagnostics_channel`: the channels
 * `tracing:ibt:run:start`, `…:asyncEnd`, `…:error` and so on. Every event of one call has the same object, to which its
 * `result` or `error` is added. Without a listener, nothing is made.
 */
export interface RunTrace {
  readonly operation: Operation
  /** Of the backups; undefined where the run finds it only later, as of a bundle. */
  readonly key: string | undefined
  /** The report, of a run that has ended well. */
  readonly result?: unknown
  readonly error?: unknown
}

/** What a run does, as its command is called. */
export type Operation =
  | 'full'
  | 'incremental'
  | 'backup'
  | 'restore'
  | 'verify'
  | 'drill'
  | 'merge'
  | 'erase'
  | 'prune'
  | 'clean'
  | 'import'
  | 'export'
  | 'copy'
  | 'send'
  | 'receive'

/** An artifact on its way into a store. */
export interface ArtifactTrace {
  readonly name: string
  readonly kind: string
  /** As it is stored: once all of it has been made. */
  sizeBytes?: number
  sha256?: string
  readonly error?: unknown
}

/** A call of a store. */
export interface StoreTrace {
  readonly call: 'put' | 'get' | 'list' | 'delete' | 'create' | 'retain'
  /** The `id` of the store. */
  readonly store: string
  /** The name, or the prefix of a list. */
  readonly name: string
  /** The part that is read. */
  readonly range?: { readonly start: number; readonly end?: number | undefined } | undefined
  /** Bytes that have passed; of a list, names. */
  sizeBytes: number
  readonly error?: unknown
}

export const runChannel = tracingChannel<'ibt:run', RunTrace>('ibt:run')
export const artifactChannel = tracingChannel<'ibt:artifact', ArtifactTrace>('ibt:artifact')
export const storeChannel = tracingChannel<'ibt:store', StoreTrace>('ibt:store')

type Channel<T extends object> = TracingChannel<string, T>

/** Tells of work from its begin to its end, with its result or its error. */
export function traceRun<T>(trace: RunTrace, work: () => Promise<T>): Promise<T> {
  return hasListeners(runChannel) ? runChannel.tracePromise(work, trace) : work()
}

/** Whether anybody would hear: Node 20 does not say it of a channel as a whole. */
export function hasListeners<T extends object>({ start, end, asyncStart, asyncEnd, error }: Channel<T>): boolean {
  return [start, end, asyncStart, asyncEnd, error].some(({ hasSubscribers }) => hasSubscribers)
}
