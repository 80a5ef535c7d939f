import { resolve } from 'node:path'
import { codecFromSuffixes } from '../../codec/index.js'
import { BackupError } from '../../errors.js'
import { askFor } from '../../exchange/ask.js'
import { Line, type TwoWay } from '../../exchange/line.js'
import {
  decodeValue,
  Kind,
  type Message,
  type TreeReceiverHello,
  type TreeSenderHello
} from '../../exchange/messages.js'
import { OldTree } from '../../exchange/old-tree.js'
import { checkApart, placeHere, placeOf } from '../../exchange/tree-place.js'
import { isOfEntry, TreeReceiver } from '../../exchange/tree-receiver.js'
import { onAbort } from '../../flow/on-abort.js'
import { traceRun } from '../../flow/tracing.js'
import { keyFromPath } from '../../format/names.js'
import { pipe } from '../../interop/pipe.js'
import { decodePath, isBelow, printPath } from '../../path.js'
import { checkNamed } from '../../places/places.js'
import { Destination } from '../../restore/destination.js'
import { createRules, type Scope } from '../../rules.js'
import { filter } from '../../stages/filter.js'
import { observe } from '../../stages/observe.js'
import { type ConfirmDelete, type Overwrite, type WriteOptions, type Written, write } from '../../stages/write.js'
import type { Entry, Sink, Source, Stage } from '../../types.js'
import { anchorPatterns } from '../anchor.js'
import { checkLeft } from '../backup/shrink.js'
import { chooseStages, passAll, type StagesOption } from '../choose-stages.js'
import type { RunOptions } from '../options.js'
import { progress } from '../restore/restore.js'
import { Deletable } from './deletable.js'

/** The stages of a receiver of a tree, by name. */
export interface ReceiveTreeStages {
  /** The entries of the sender, their contents asked for. An entry has been written when the next one is pulled. */
  readonly ask: Source<Entry>
  readonly filter: Stage<Entry>
  readonly write: Sink<Entry, Written>
}

/** Options of `receiveTree`. */
export interface ReceiveTreeOptions
  extends Pick<RunOptions, 'onProgress' | 'onError' | 'signal'>,
    Pick<WriteOptions, 'owners' | 'protect' | 'dryRun' | 'onChange'> {
  /**
   * What becomes of existing files: see `write`. Default: `if-changed`, so that a file of the same size and time is left as
   * it is. With `always`, the sender reads every file for its SHA-256.
   */
  readonly overwrite?: Overwrite | undefined
  /**
   * Deletes what the source does not have. What the sender excludes by patterns stays, and so does all in directories that
   * it could not list, or that have an ignore file. Backups stay, too, if the source has none in that directory. Deletions
   * come last. Default: nothing is deleted.
   */
  readonly delete?: boolean | undefined
  /** If more entries than this would be deleted, everything below directories counted, nothing is. Default: no limit. */
  readonly maxDelete?: number | undefined
  /** Accepts with `delete` a source that has next to nothing of what the directory has. Default: what the sender says. */
  readonly allowShrink?: boolean | undefined
  /** Patterns as in gitignore(5), of what is neither written nor deleted. An absolute path in the destination is anchored there. */
  readonly exclude?: readonly string[] | undefined
  /** Replaces stages of the pipeline, by name: a record, or a function of the pipeline's own. */
  readonly stages?: StagesOption<ReceiveTreeStages> | undefined
}

/** What a receiver of a tree has done. */
export interface ReceiveTreeReport extends Written {
  readonly destination: string
  /** Where the tree comes from, as the sender says. */
  readonly source: string
  readonly host: string
  /** Nothing was written: the report says what would be. */
  readonly dryRun: boolean
}

/**
 * Makes a directory equal to a tree that is elsewhere, over one connection: the other end is `sendTree`. Of files that
 * differ by size or time only the deltas are fetched, on what the directory has. Every content is proven by its SHA-256
 * before it replaces the old one, by a rename: a connection that is cut leaves whole old files and whole new ones.
 * The sender need not be trusted with anything but the directory: `write` says why.
 * Memory: that of `write`, and `IN_FLIGHT_BYTES` of contents, 4 MiB of the listing and 1024 entries, about.
 *
 * @throws BackupError IBT_CONNECTION_LOST, IBT_NOT_ALLOWED if the sender makes backups, IBT_DELETE_LIMIT and
 * IBT_SOURCE_SHRUNK before anything is deleted but what gives way to an entry of another type, what `write` throws; the sender gets the same error. What the sender fails
 * with comes with its code.
 * @throws RangeError for a limit that makes no sense.
 */
export function receiveTree(
  ends: TwoWay,
  destination: string | Uint8Array,
  options: ReceiveTreeOptions = {}
): Promise<ReceiveTreeReport> {
  const path = typeof destination === 'string' ? destination : decodePath(destination)
  checkNamed('destination', path)
  const { maxDelete = 0 } = options
  if (!Number.isSafeInteger(maxDelete) || maxDelete < 0) throw new RangeError('maxDelete is a number of entries')
  return traceRun({ operation: 'receive', key: keyFromPath(resolve(path)) }, () => receive(ends, path, options))
}

async function receive(ends: TwoWay, destination: string, options: ReceiveTreeOptions): Promise<ReceiveTreeReport> {
  let greet: (hello: TreeSenderHello) => void = () => {}
  const greeted = new Promise<TreeSenderHello>(resolve => {
    greet = resolve
  })
  let receiver: TreeReceiver | undefined
  const take = ({ kind, body }: Message): void | Promise<void> => {
    if (kind === Kind.hello && receiver === undefined) return greet(decodeValue(body))
    if (receiver === undefined)
      throw new BackupError('IBT_ARCHIVE_CORRUPT', 'The sender does not begin with a greeting')
    return receiver.take({ kind, body })
  }
  const line: Line = new Line(ends, 'sender', take, options.signal)
  onAbort(line.signal, reason => receiver?.fail(reason))
  try {
    // What is wrong with it is told: an error of the handler cuts the line.
    const hello = checkHello(await line.until(greeted))
    receiver = new TreeReceiver(() => line, codecFromSuffixes(hello.packing.split('.')))
    const written = await writeTree(receiver, destination, hello, options)
    const { skippedEntries, incompleteEntries } = written
    // What is written stays, whether or not the sender hears of it.
    await line.send(Kind.done, { skippedEntries, incompleteEntries }).catch(() => {})
    const dryRun = isDry(hello, options)
    return { destination, source: hello.root, host: hello.host, dryRun, ...written }
  } catch (error) {
    line.fail(error)
    throw line.signal.reason
  } finally {
    await line.close()
  }
}

async function writeTree(
  receiver: TreeReceiver,
  destination: string,
  hello: TreeSenderHello,
  options: ReceiveTreeOptions
): Promise<Written> {
  const { owners, protect = [], onError, onChange, delete: deletes = false, exclude = [] } = options
  const dryRun = isDry(hello, options)
  const line = receiver.line()
  const { signal } = line
  const own = createRules({ ignoreFiles: [], exclude: await anchorPatterns(exclude, resolve(destination)) })
  // Both lists count, so that neither takes back what the other excludes.
  const scopes = [own, createRules({ ignoreFiles: [], exclude: hello.exclude })].map(({ root }) => root(new Map()))
  const opened = await (dryRun ? Destination.openThere(destination) : Destination.open(destination))
  try {
    const checksum = hello.checksum || options.overwrite === 'always'
    const overwrite: Overwrite =
      checksum && options.overwrite !== 'never' ? 'always' : (options.overwrite ?? 'if-changed')
    const place = await placeOf(opened.path)
    await line.send(Kind.hello, { mode: 'tree', deletes, checksum, dryRun, place } satisfies TreeReceiverHello)
    // A source in the directory that it is sent into.
    const source = await placeHere(hello.place)
    checkApart(source, place)
    const deletable = new Deletable(opened.path, scopes)
    const asked = {
      overwrite,
      dryRun,
      selects: selects(scopes[0]!),
      onListed: (entry: Entry) => deletable.listed(entry)
    }
    const defaults: ReceiveTreeStages = {
      ask: askFor(receiver, new OldTree(opened.root, signal), asked),
      filter: filter(own),
      write: write(destination, {
        ...{ owners, overwrite, dryRun, onError, onChange, costsEntry: isOfEntry, keepsPartial: () => signal.aborted },
        protect: source === undefined ? protect : [...protect, source.path],
        delete: deletes && deletable.may,
        confirmDelete: deletes ? guard(receiver, opened.path, hello, options) : undefined
      })
    }
    const stages = chooseStages(defaults, options.stages, defaults.filter)
    const watch: Stage<Entry> = options.onProgress === undefined ? passAll : observe(progress(options))
    return await pipe(stages.ask, stages.filter, watch, stages.write, { signal })
  } finally {
    await opened.close()
  }
}

/** Whether an entry is wanted: neither excluded nor in an excluded directory. Ask in path order. */
function selects(scope: Scope): (entry: Entry) => boolean {
  let excluded: string | undefined
  return ({ path, type }) => {
    if (excluded !== undefined && isBelow(path, excluded)) return false
    excluded = scope.excludes(path, type) ? path : undefined
    return excluded === undefined
  }
}

function isDry(hello: TreeSenderHello, { dryRun = false }: ReceiveTreeOptions): boolean {
  return dryRun || hello.dryRun === true
}

/** Has nothing deleted if it would be more than the receiver wants, or all but all. */
function guard(
  receiver: TreeReceiver,
  destination: string,
  hello: TreeSenderHello,
  options: ReceiveTreeOptions
): ConfirmDelete {
  const { root } = hello
  const { maxDelete = Infinity, allowShrink = hello.allowShrink === true } = options
  let gaveWay = false
  return ({ deletedEntries, existingEntries: had, isComplete }) => {
    const deleted = gaveWay ? 'Only directories that gave way to other entries were deleted' : 'Nothing was deleted'
    if (isComplete && !allowShrink) {
      const what = `of ${printPath(destination)}: is its disk mounted? ${deleted}; allowShrink (--allow-shrink) accepts it`
      checkLeft(root, { had, has: receiver.listedEntries - 1 }, what)
    }
    if (deletedEntries > maxDelete) {
      const count = `${deletedEntries}${isComplete ? '' : ' or more'} entries`
      const message = `${count} of ${printPath(destination)} would be deleted, and maxDelete (--max-delete) is ${maxDelete}: dryRun (--dry-run) lists them. ${deleted}`
      throw new BackupError('IBT_DELETE_LIMIT', message, { path: destination })
    }
    gaveWay ||= !isComplete && !isDry(hello, options)
  }
}

/** @throws BackupError IBT_NOT_ALLOWED, IBT_ARCHIVE_CORRUPT */
function checkHello(hello: Partial<TreeSenderHello>): TreeSenderHello {
  const { mode, packing, exclude, root, host, checksum } = hello
  if (mode !== 'tree') {
    const message =
      'The sender makes a backup, and the receiver writes into a directory: give ibt send --tree (a version that knows it)'
    throw new BackupError('IBT_NOT_ALLOWED', message)
  }
  const isText = (value: unknown) => typeof value === 'string'
  const isRight = isText(packing) && isText(root) && isText(host) && Array.isArray(exclude) && exclude.every(isText)
  if (!isRight) throw new BackupError('IBT_ARCHIVE_CORRUPT', 'The sender does not say what it sends')
  return { ...(hello as TreeSenderHello), checksum: checksum === true, allowShrink: hello.allowShrink === true }
}
