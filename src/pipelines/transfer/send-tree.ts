import { stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { relative } from 'node:path'
import { defaultCodec } from '../../codec/index.js'
import { BackupError } from '../../errors.js'
import { Line, type TwoWay } from '../../exchange/line.js'
import {
  decodeValue,
  Kind,
  type Message,
  type TreeReceiverHello,
  type TreeSenderHello
} from '../../exchange/messages.js'
import type { SentTotals } from '../../exchange/sent-totals.js'
import { checkApart, placeHere, placeOf } from '../../exchange/tree-place.js'
import { TreeSender } from '../../exchange/tree-sender.js'
import { batchesOf, isBatch } from '../../flow/batches.js'
import { traceRun } from '../../flow/tracing.js'
import { pipe } from '../../interop/pipe.js'
import { encodePath, printPath } from '../../path.js'
import { addParents } from '../../stages/add-parents.js'
import { filter } from '../../stages/filter.js'
import { sign } from '../../stages/sign.js'
import { walk } from '../../stages/walk.js'
import type { Entry, Signed, Sink, Source, Stage } from '../../types.js'
import { anchorPatterns } from '../anchor.js'
import { nameSource } from '../backup-run.js'
import { chooseStages, passAll, type StagesOption } from '../choose-stages.js'
import type { BackupOptions, Progress } from '../options.js'
import { sourceRules } from '../source-rules.js'
import { markPartial } from './mark-partial.js'

/** The stages of a sender of a tree, by name. */
export interface SendTreeStages {
  readonly walk: Source<Entry>
  readonly filter: Stage<Entry>
  /** Says what there is. */
  readonly list: Sink<Entry>
  /** Makes the bodies, or deltas, of what the receiver asks for: it runs once for each group of such files. */
  readonly sign: Stage<Entry, Signed>
  /** Says what has become of such a group. */
  readonly answer: Sink<Signed>
}

/** Options of `sendTree`. */
export interface SendTreeOptions
  extends Pick<BackupOptions<object>, 'codec' | 'rules' | 'readFrom' | 'onProgress' | 'onError' | 'signal'> {
  /** Says the SHA-256 of every file, so that no size and no time is believed. Default: the receiver decides. */
  readonly checksum?: boolean | undefined
  /** The receiver writes nothing, and reports what it would write and delete. */
  readonly dryRun?: boolean | undefined
  /** Tells a receiver that deletes that the source may be all but empty. */
  readonly allowShrink?: boolean | undefined
  /** Replaces stages of the pipeline, by name: a record, or a function of the pipeline's own. */
  readonly stages?: StagesOption<SendTreeStages> | undefined
}

/** What a sender of a tree has sent. */
export interface SendTreeReport extends SentTotals {
  readonly source: string
  /** Entries that the receiver could not write, or not wholly: it says which. */
  readonly notWrittenEntries: number
  /** The directory that the receiver writes into, if it is in the source: it is not sent. */
  readonly leftOut: readonly string[]
  /** The receiver has written nothing. */
  readonly dryRun: boolean
}

/**
 * Sends a directory over one connection to a `receiveTree`, which makes a directory equal to it: the tree is listed, the
 * receiver asks for the files that differ, with the signatures of what it has, and gets deltas and whole contents. Nothing
 * is staged at either end, and no backup is made.
 * Contents are read after they were listed: those that a stage makes have to be repeatable.
 * Memory: that of `sign`, and the files of `LISTING_WINDOW_BYTES` of the listing.
 *
 * @throws BackupError IBT_NOT_ALLOWED if the other end stores backups, deletes more than it can know, writes into the source
 * itself, or would write in a dry run; IBT_CONNECTION_LOST; what the receiver fails with, with its code.
 */
export function sendTree(
  ends: TwoWay,
  source: string | Uint8Array,
  options: SendTreeOptions = {}
): Promise<SendTreeReport> {
  const names = nameSource(source, options)
  return traceRun({ operation: 'send', key: names.key }, () => send(ends, names, options))
}

async function send(
  ends: TwoWay,
  { root, readRoot, key }: ReturnType<typeof nameSource>,
  options: SendTreeOptions
): Promise<SendTreeReport> {
  const codec = options.codec ?? defaultCodec()
  const { checksum = false, dryRun = false, allowShrink = false, rules = {}, onProgress, onError } = options
  const exclude = await anchorPatterns(rules.exclude ?? [], root)
  let greet: (hello: TreeReceiverHello) => void = () => {}
  const greeted = new Promise<TreeReceiverHello>(resolve => {
    greet = resolve
  })
  let notWrittenEntries = 0
  const onSent = onProgress && ((path: string, totals: SentTotals) => onProgress(toProgress(path, totals)))
  const sender: TreeSender = new TreeSender(() => line, { codec, onError, onSent })
  const take = (message: Message): void | Promise<void> => {
    if (message.kind === Kind.hello) return greet(decodeValue(message.body))
    if (message.kind === Kind.done) notWrittenEntries = countNotWritten(decodeValue(message.body))
    return sender.take(message)
  }
  const line: Line = new Line(ends, 'receiver', take, options.signal)
  try {
    const hello: TreeSenderHello = {
      ...{
        mode: 'tree',
        packing: codec.suffix,
        exclude,
        checksum,
        dryRun,
        allowShrink,
        place: await placeOf(readRoot)
      },
      ...{ defaultKey: key, kind: 'auto', root, host: hostname(), suffixes: [] }
    }
    await line.send(Kind.hello, hello)
    const answered = checkHello(await line.until(greeted), dryRun)
    const { deletes, checksum: isAsked } = answered
    const leftOut = await destinationIn(readRoot, answered)
    const { signal } = line
    const marked: Stage<Entry> = deletes ? markPartial(readRoot, rules) : passAll
    const walkRules = await sourceRules(root, rules, { leftOut, onMissing: () => {} })
    const defaults: SendTreeStages = {
      walk: walk(readRoot, walkRules, { signal }),
      filter: filter(walkRules),
      list: sender.list,
      sign: sign(),
      answer: sender.answer
    }
    const stages = chooseStages(defaults, options.stages, defaults.filter)
    if (stages.walk === defaults.walk) await checkDirectory(readRoot)
    const digests: Stage<Entry> = checksum || isAsked ? addDigests : passAll
    const listing = pipe(stages.walk, stages.filter, addParents({}), digests, marked, stages.list, { signal })
    const halves = [listing, answerAll(sender, stages, signal)].map(half => half.catch(fail))
    // Where one fails, the other one stops by the signal.
    await Promise.allSettled(halves)
    await Promise.all(halves)
    return { source: root, ...sender.totals, notWrittenEntries, leftOut, dryRun: answered.dryRun === true }
  } catch (error) {
    line.fail(error)
    throw line.signal.reason
  } finally {
    await line.close()
  }

  function fail(error: unknown): never {
    line.fail(error)
    throw error
  }
}

/** A group of files is signed and answered before the next: what is asked for meanwhile is the next one. */
async function answerAll(sender: TreeSender, { sign, answer }: SendTreeStages, signal: AbortSignal): Promise<void> {
  for await (const group of sender.wanted()) await pipe(group, sign, answer, { signal })
}

/** Reads every file for its SHA-256. Further members of a hard-link group are not read. */
const addDigests: Stage<Entry> = async function* addDigestsStage(source, context) {
  const signed = sign({ signedMinBytes: Infinity })(source, context)
  for await (const item of batchesOf(signed)) {
    for (const { body, linkTo: _, ...entry } of isBatch(item) ? item : [item]) {
      if (body === undefined) yield entry
      else {
        for await (const part of batchesOf(body.parts)) if (isBatch(part)) part.release?.()
        const { sha256, error } = body.result()
        yield error === undefined ? ({ ...entry, sha256 } as Entry) : entry
      }
    }
  }
}

function toProgress(path: string, { entries, files, sizeBytes, sentBytes }: SentTotals): Progress {
  return { path, entries, files, sizeBytes, storedBytes: sentBytes }
}

/** The directory that `walk` makes up for a file would take the place of the receiver's own. @throws BackupError IBT_READ_FAILED */
async function checkDirectory(path: string): Promise<void> {
  const found = await stat(encodePath(path)).catch(() => undefined)
  if (!found?.isFile()) return
  throw new BackupError('IBT_READ_FAILED', `${printPath(path)} is a file: only a directory is sent as a tree`, { path })
}

/** Where the receiver writes if that is in the source: who sends that as well never comes to an end. @throws BackupError IBT_NOT_ALLOWED */
async function destinationIn(root: string, { place }: TreeReceiverHello): Promise<string[]> {
  const [source, destination] = [await placeOf(root), await placeHere(place)]
  checkApart(source, destination)
  if (source === undefined || destination === undefined) return []
  const below = relative(source.path, destination.path)
  return below === '..' || below.startsWith('../') ? [] : [below]
}

/** @throws BackupError IBT_NOT_ALLOWED */
function checkHello(
  { mode, deletes, checksum, dryRun, place }: Partial<TreeReceiverHello>,
  isDry: boolean
): TreeReceiverHello {
  if (mode === 'tree') {
    if (isDry && dryRun !== true) {
      throw new BackupError('IBT_NOT_ALLOWED', 'The receiver is of a version that knows no dry run: it would write')
    }
    return { mode, deletes: deletes === true, checksum: checksum === true, dryRun, place }
  }
  const message =
    'The receiver stores backups, and writes into no directory: give it --into DIR (a version that knows it)'
  throw new BackupError('IBT_NOT_ALLOWED', message)
}

function countNotWritten(done: { readonly skippedEntries?: unknown; readonly incompleteEntries?: unknown }): number {
  const [skipped, incomplete] = [Number(done.skippedEntries), Number(done.incompleteEntries)]
  return (skipped || 0) + (incomplete || 0)
}
