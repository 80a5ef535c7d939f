import { hostname } from 'node:os'
import { checkReadable, defaultCodec, gzip, none, withCodec, zstd } from '../../codec/index.js'
import { BackupError, isBackupError } from '../../errors.js'
import { Asker } from '../../exchange/asker.js'
import { Checkpoint } from '../../exchange/checkpoint.js'
import { Line, type TwoWay } from '../../exchange/line.js'
import { decodeValue, Kind, type Message, type ReceiverHello } from '../../exchange/messages.js'
import { RemoteOrigins } from '../../exchange/remote-origins.js'
import { askFacts, remoteEntries } from '../../exchange/remote-parent.js'
import { askAhead, RemoteSignatures } from '../../exchange/signatures.js'
import { isDate } from '../../format/dates.js'
import { checkKey } from '../../format/names.js'
import { compose } from '../../interop/compose.js'
import { pipe } from '../../interop/pipe.js'
import { toWire } from '../../interop/wire.js'
import { checkLimits } from '../../plan/level.js'
import { addParents } from '../../stages/add-parents.js'
import { filter } from '../../stages/filter.js'
import type { Published } from '../../stages/publish.js'
import { nullStore } from '../../stores/null-store.js'
import {
  type Chunk,
  type Counted,
  isCounted,
  isSealed,
  type Reading,
  type Sealed,
  type SealedArtifact,
  type Sink,
  type Source,
  type StateEntry,
  type Totals
} from '../../types.js'
import { hasChanges, makeReport } from '../backup/backup-report.js'
import type { RunKind } from '../backup/newest.js'
import { checkShrunk } from '../backup/shrink.js'
import { traceBackup } from '../backup/trace-backup.js'
import { Watcher } from '../backup/watch.js'
import { asParent, type BackupSettings, makeHeader, nameSource, type Parent } from '../backup-run.js'
import { backupStages, type IncrementalStages, runStages } from '../backup-stages.js'
import { chooseStages } from '../choose-stages.js'
import type { BackupOptions, BackupReport } from '../options.js'
import { sourceRules } from '../source-rules.js'

/** Options of `sendBackup`. */
export interface SendOptions
  extends Pick<
    BackupOptions<IncrementalStages>,
    | 'key'
    | 'codec'
    | 'codecs'
    | 'rules'
    | 'detection'
    | 'changedBlocks'
    | 'readFrom'
    | 'sourceId'
    | 'allowSourceMismatch'
    | 'allowShrink'
    | 'skipUnchanged'
    | 'maxChain'
    | 'onProgress'
    | 'onError'
    | 'signal'
    | 'stages'
  > {
  /** Default: `auto`, a full if the receiver has nothing to build on. */
  readonly kind?: RunKind | undefined
  /**
   * Stores new files of at most so many bytes, but at least one, and leaves the others to the next run: a connection that
   * is cut costs no more than that. Not for a full that a limit asks for. Default: no limit.
   */
  readonly checkpointBytes?: number | undefined
}

/** What a sender has sent. */
export interface SendReport extends BackupReport {
  /** New files that are left to the next run. They are `unreadable` in the state, and count as that in `totals` alone. */
  readonly postponedFiles: number
}

/**
 * Backs a directory up over one connection to a `receiveBackup`, whose store has the backups before. Nothing is needed
 * here but the source: the receiver's newest state streams in as `diff` reads it, signatures of changed files come as
 * `sign` needs them, deltas and new contents stream out. Nothing is staged at either end.
 *
 * Both directions flow at once: questions go out between the bytes of the backup, and answers are always taken. Memory:
 * that of a backup, a few messages of up to 1 MiB, signatures of what `sign` reads ahead, and 4 to 12 bytes for each file
 * of the newest backup if there are new files.
 *
 * @throws BackupError IBT_CONNECTION_LOST if the connection is cut, IBT_OUTCOME_UNKNOWN if that comes when all has been
 * sent; what the receiver fails with, with its code; what a backup throws.
 */
export function sendBackup(ends: TwoWay, source: string | Uint8Array, options: SendOptions = {}): Promise<SendReport> {
  return traceBackup(source, options, () => send(ends, source, options))
}

async function send(ends: TwoWay, source: string | Uint8Array, options: SendOptions): Promise<SendReport> {
  const { kind = 'auto', sourceId, allowSourceMismatch, maxChain, checkpointBytes } = options
  checkLimits(options)
  if (checkpointBytes !== undefined && !(checkpointBytes > 0)) throw new RangeError('checkpointBytes is positive')
  const { root, readRoot, key: defaultKey } = nameSource(source, options)
  const codec = options.codec ?? defaultCodec()
  const codecs = withCodec(options.codecs ?? [], codec)
  if (options.codec !== undefined) await checkReadable(codec, codecs)
  const sender = new Sender(ends, options.signal)
  const { line } = sender
  try {
    const suffixes = [...codecs, zstd(), gzip(), none()].map(({ suffix }) => suffix)
    const wanted = {
      key: options.key,
      defaultKey,
      kind,
      root,
      host: hostname(),
      sourceId,
      allowSourceMismatch,
      maxChain
    }
    await line.send(Kind.hello, { ...wanted, suffixes })
    return await sender.run({ root, readRoot, codec, codecs }, options)
  } catch (error) {
    line.fail(error)
    throw isBackupError(error) && error.code === 'IBT_OUTCOME_UNKNOWN' ? error : line.signal.reason
  } finally {
    await line.close()
  }
}

class Sender {
  readonly line: Line
  readonly #asker = new Asker(() => this.line)
  readonly #signatures = new RemoteSignatures(this.#asker)
  readonly #hello: Promise<ReceiverHello>
  readonly #done: Promise<void>
  #greet: (hello: ReceiverHello) => void = () => {}
  #finish: () => void = () => {}

  constructor(ends: TwoWay, signal: AbortSignal | undefined) {
    this.#hello = new Promise(resolve => {
      this.#greet = resolve
    })
    this.#done = new Promise(resolve => {
      this.#finish = resolve
    })
    this.line = new Line(ends, 'receiver', message => this.#take(message), signal)
  }

  #take(message: Message): void {
    const { kind, body } = message
    if (kind === Kind.hello) this.#greet(checkHello(decodeValue(body)))
    else if (kind === Kind.done) this.#finish()
    else if (kind === Kind.part || kind === Kind.last || kind === Kind.none) this.#asker.take(message)
    else throw new BackupError('IBT_ARCHIVE_CORRUPT', `The receiver says what nobody expects: kind ${kind}`)
  }

  async run(
    {
      root,
      readRoot,
      codec,
      codecs
    }: Pick<BackupSettings, 'root' | 'readRoot' | 'codec'> & { readonly codecs: readonly Reading[] },
    options: SendOptions
  ): Promise<SendReport> {
    const { signal } = this.line
    const hello = await this.line.until(this.#hello)
    const { before, fullReason } = hello
    const parent = hello.parent && (await this.#openParent(hello.parent, codecs))
    const checkpoint = checkpointOf(options, hello)
    const onError = (error: BackupError) => error === checkpoint?.error || options.onError?.(error)
    const watcher = new Watcher({ ...options, onError }, parent)
    watcher.total = before
    const header = makeHeader(hello.key, { root, sourceId: options.sourceId }, hello.date, {
      ...{ parent, fullReason, changedBlocks: options.changedBlocks }
    })
    const settings: BackupSettings = {
      ...{ root, readRoot, codec, cipher: undefined, header, signal, store: nullStore() },
      ...{ detection: options.detection, changedBlocks: options.changedBlocks },
      rules: await sourceRules(root, options.rules, { leftOut: [], onMissing: watcher.miss }),
      commits: async totals => {
        if (before !== undefined && !options.allowShrink) checkShrunk(root, before, totals)
        return !options.skipUnchanged || hasChanges(totals)
      }
    }
    const defaults = backupStages(settings, parent)
    const compared = parent === undefined ? defaults.diff : compose(defaults.diff, askAhead(this.#signatures))
    const diff = checkpoint === undefined ? compared : compose(compared, checkpoint.stage)
    const publish = this.#send(settings)
    const chosen = chooseStages({ ...defaults, diff, publish }, options.stages, filter(settings.rules))
    const fixed = { addParents: addParents({ onMade: watcher.make }), watch: watcher.stage }
    const published = await runStages(chosen, fixed, { signal, origins: parent?.origins })
    const report = makeReport(settings, { parent, fullReason }, published, watcher)
    const { postponedFiles = 0 } = checkpoint ?? {}
    const skippedEntries = report.skippedEntries - postponedFiles
    return { ...report, skippedEntries, isStored: published.isCommitted, leftOut: [], postponedFiles }
  }

  async #openParent(hello: NonNullable<ReceiverHello['parent']>, codecs: readonly Reading[]): Promise<Parent> {
    const asker = this.#asker
    const { links, requires, artifacts, lost } = await askFacts(asker)
    const lostSignatures = new WeakSet<StateEntry>()
    const entries = () => {
      const written = remoteEntries(asker, hello, codecs)
      const isAsWritten = lost.length === 0 && !hello.isMerged
      return isAsWritten ? written : asParent(written, new Set(lost), lostSignatures)
    }
    const { read: signature } = this.#signatures
    const origins = new RemoteOrigins(asker, links, signature)
    return { date: hello.date, links, requires, artifacts, entries, lostSignatures, signature, origins }
  }

  /** In the place of `publish`. */
  #send({ commits: asks }: BackupSettings): Sink<Chunk | Sealed | Counted, Published> {
    const { line } = this
    return async (source, context) => {
      const sealed: SealedArtifact[] = []
      let totals: Totals | undefined
      let commits = true
      async function* watched(items: Source<Chunk | Sealed | Counted>) {
        for await (const item of items) {
          if (isSealed(item)) sealed.push(item)
          else if (isCounted(item)) {
            totals = item.totals
            commits = await asks(totals)
          }
          yield item
        }
      }
      for await (const bytes of pipe(source, watched, toWire(), { signal: context?.signal })) {
        await line.send(Kind.data, bytes)
      }
      await line.send(Kind.end, { commits })
      await line.until(this.#done).catch(error => {
        throw commits && !line.isTold ? unknownOutcome(error) : error
      })
      const artifacts = sealed.map(({ name, kind, sizeBytes, sha256 }) => ({ name, kind, sizeBytes, sha256 }))
      return { artifacts: commits ? artifacts : [], totals: totals!, isCommitted: commits }
    }
  }
}

/** A full because of a limit would not come to an end: the next run on it would reach the limit before. */
function checkpointOf({ checkpointBytes }: SendOptions, { parent, fullReason }: ReceiverHello): Checkpoint | undefined {
  if (checkpointBytes === undefined) return undefined
  const isBegun = parent !== undefined || fullReason === 'first' || fullReason === 'asked'
  return isBegun ? new Checkpoint(checkpointBytes) : undefined
}

function unknownOutcome(cause: unknown): BackupError {
  const message = 'All was sent, but the receiver did not say that the backup is stored: it may exist'
  return new BackupError('IBT_OUTCOME_UNKNOWN', message, { cause })
}

/** @throws BackupError */
function checkHello(hello: Partial<ReceiverHello>): ReceiverHello {
  const { key, date, parent } = hello
  const isParent = parent === undefined || (isDate(parent.date) && typeof parent.state === 'string')
  if (typeof key !== 'string' || typeof date !== 'string' || !isDate(date) || !isParent) {
    throw new BackupError('IBT_ARCHIVE_CORRUPT', 'The receiver does not say which backup is to be made')
  }
  checkKey(key)
  return hello as ReceiverHello
}
