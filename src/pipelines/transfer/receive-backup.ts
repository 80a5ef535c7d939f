import { checkReadable, decodeFrames, defaultCodec, knownCodecs, withCodec } from '../../codec/index.js'
import { BackupError, isBackupError } from '../../errors.js'
import { Answers } from '../../exchange/answers.js'
import { Line, type TwoWay } from '../../exchange/line.js'
import { decodeValue, Kind, type Message, type ReceiverHello, type SenderHello } from '../../exchange/messages.js'
import { Channel } from '../../flow/channel.js'
import { onAbort } from '../../flow/on-abort.js'
import { traceRun } from '../../flow/tracing.js'
import { checkKey } from '../../format/names.js'
import { pipe } from '../../interop/pipe.js'
import { fromWire } from '../../interop/wire.js'
import type { LockedOptions } from '../../lifecycle/options.js'
import { openPlaces, type Places } from '../../places/places.js'
import { observe } from '../../stages/observe.js'
import { publish } from '../../stages/publish.js'
import { listStored } from '../../stores/backup-names.js'
import { Chain } from '../../stores/chain.js'
import { acquireLock, type Lock, releaseLock } from '../../stores/lock.js'
import { type Chunk, type Counted, isChunk, type Sealed, type SealedArtifact, type Totals } from '../../types.js'
import { findParent, type Newest } from '../backup/newest.js'
import { rebuildLocalState } from '../backup/rebuild-local.js'
import { removeLeftovers, removeSuperfluous } from '../backup/superfluous.js'
import { chooseDate, lostSigvaults } from '../backup-run.js'
import { checkNames } from '../check-names.js'
import { passAll } from '../choose-stages.js'
import { checkPlain } from '../encrypted.js'
import { checkMounted } from '../mounted.js'
import type { RunOptions } from '../options.js'
import { checkSigner } from '../signed.js'
import { checkSent } from './check-sent.js'
import { reseal } from './reseal.js'

/** Options of `receiveBackup`. */
export interface ReceiveOptions
  extends LockedOptions,
    Pick<RunOptions, 'init' | 'encrypt' | 'deleteOldSigvaults' | 'onProgress' | 'maxChain' | 'maxRestoreRatio'> {
  /** The key that the sender may write. Default: the one that it asks for. */
  readonly key?: string | undefined
}

/** What a receiver has stored. */
export interface ReceiveReport {
  readonly key: string
  readonly date: string
  readonly kind: 'full' | 'incremental'
  /** Date of the backup that this one builds on. */
  readonly parent?: string | undefined
  readonly files: readonly SealedArtifact[]
  readonly storedBytes: number
  readonly totals: Totals
  /** False if nothing had changed, and the sender wanted to store nothing then. */
  readonly isStored: boolean
}

/**
 * Stores a backup of a source that is elsewhere, over one connection: the other end is `sendBackup`, which needs neither
 * the store nor a cache. The receiver tells it what the newest backup has, as far as it asks, and takes what is new.
 * With `encrypt`, what arrives is encrypted here: the sender has sent it in plain text, and knows no key.
 * The sender need not be trusted: it writes the artifacts of one backup of one key, their names are chosen here, and its
 * state is checked before it is stored. If the connection is cut, all of this backup is withdrawn.
 * Memory: a few messages of up to 1 MiB, `CHUNKS_WAITING` chunks for each artifact, and, if the source has new files, 16 to
 * 32 bytes for each file of the newest backup.
 *
 * @throws BackupError IBT_CONNECTION_LOST, IBT_LOCKED, IBT_NO_BACKUP, IBT_NOT_ENCRYPTED, IBT_SOURCE_MISMATCH, IBT_NAME_INVALID, what
 * `checkSent` and the store throw; the sender gets the same error. What the sender fails with comes with its code.
 */
export async function receiveBackup(ends: TwoWay, options: ReceiveOptions = {}): Promise<ReceiveReport> {
  const { key } = options
  if (key !== undefined) checkKey(key)
  return traceRun({ operation: 'receive', key }, () => receive(ends, options))
}

async function receive(ends: TwoWay, options: ReceiveOptions): Promise<ReceiveReport> {
  const receiver = new Receiver(ends, options)
  const { line } = receiver
  try {
    return await receiver.run()
  } catch (error) {
    line.fail(error)
    throw isBackupError(error) && error.code === 'IBT_OUTCOME_UNKNOWN' ? error : line.signal.reason
  } finally {
    await line.close()
  }
}

class Receiver {
  readonly line: Line
  readonly #data = new Channel<Uint8Array>()
  readonly #hello: Promise<SenderHello>
  #greet: (hello: SenderHello) => void = () => {}
  #answers: Answers | undefined
  #commits = true

  constructor(
    ends: TwoWay,
    readonly options: ReceiveOptions
  ) {
    this.#hello = new Promise(resolve => {
      this.#greet = resolve
    })
    this.line = new Line(ends, 'sender', message => this.#take(message), options.signal)
    onAbort(this.line.signal, reason => this.#data.fail(reason))
  }

  async #take({ kind, body }: Message): Promise<void> {
    if (kind === Kind.hello) this.#greet(decodeValue(body))
    else if (kind === Kind.question && this.#answers !== undefined) this.#answers.take(body)
    // A pipeline that has failed says so itself.
    else if (kind === Kind.data) await this.#data.push(body).catch(() => {})
    else if (kind === Kind.end) {
      this.#commits = decodeValue<{ commits?: unknown }>(body).commits === true
      this.#data.end()
    } else throw new BackupError('IBT_ARCHIVE_CORRUPT', `The sender says what nobody expects: kind ${kind}`)
  }

  async run(): Promise<ReceiveReport> {
    const { options, line } = this
    const { encrypt: cipher, codecs = [] } = options
    if (cipher !== undefined) await checkReadable(defaultCodec(), withCodec(codecs, cipher), cipher)
    // What is wrong with it is told: an error of the handler cuts the line.
    const hello = checkHello(await line.until(this.#hello))
    const key = chooseKey(hello, options.key)
    const places = openPlaces(options)
    const { signal } = line
    if (!options.init) await checkMounted(places, key, { signal })
    const lock = await acquireLock(places.store, key, { signal, waitMs: options.lockWaitMs })
    const report = await this.#receive(hello, key, places, lock).finally(async () => {
      await this.#answers?.close()
      await releaseLock(lock, options.onError)
    })
    // The sender may come again at once: the key is free. What is stored stays, whether or not the sender hears of it.
    await line.send(Kind.done, { isStored: report.isStored }).catch(() => {})
    return report
  }

  async #receive(hello: SenderHello, key: string, places: Places, lock: Lock): Promise<ReceiveReport> {
    const { options, line } = this
    const { encrypt: cipher, maxChain = hello.maxChain, maxRestoreRatio, onError } = options
    const codecs = withCodec(options.codecs ?? [], cipher)
    const { signal } = line
    const stored = await listStored(places.cached, undefined, { signal })
    checkNames(stored, key)
    const chain = await Chain.open(places.cached, key, { signal, codecs, stored })
    if (cipher === undefined) checkPlain(chain)
    else await rebuildLocalState(chain, places, cipher, { signal, onError })
    checkSigner(stored, key, options)
    await removeLeftovers(chain, places, stored, signal)
    const { allowSourceMismatch, kind } = hello
    const limits = { maxChain, maxRestoreRatio, allowSourceMismatch, onError, signal }
    const { root, host, sourceId } = hello
    const newest = await findParent(chain, kind, { root, host, sourceId }, limits)
    const date = chooseDate(chain.lastDate)
    await this.#answerFor(chain, newest, { key, date }, hello)
    const { parent } = newest
    const expected = {
      ...{ key, date, kind: parent === undefined ? ('full' as const) : ('incremental' as const) },
      ...{ links: parent?.links ?? [], inherited: parent?.artifacts ?? [], find: knownCodecs(codecs) }
    }
    const commits = async () => {
      await lock.check({ signal })
      return this.#commits
    }
    const sealing = { backup: { key, date }, cipher: cipher!, find: expected.find }
    const published = await pipe(
      this.#data,
      fromWire({ key }),
      checkSent(expected),
      cipher === undefined ? passAll : reseal(sealing),
      this.#watch(),
      publish(places.cached, { commits }),
      { signal }
    )
    const { artifacts: files, totals, isCommitted: isStored } = published
    if (isStored && parent === undefined) await removeSuperfluous(chain, places, published, { ...options, signal })
    const storedBytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
    return { key, date, kind: expected.kind, parent: parent?.date, files, storedBytes, totals, isStored }
  }

  /** Tells the sender what to make, and gets ready to tell more. */
  async #answerFor(
    chain: Chain,
    { parent, before, fullReason }: Newest,
    made: Pick<ReceiverHello, 'key' | 'date'>,
    { suffixes }: SenderHello
  ): Promise<void> {
    const { line } = this
    if (parent === undefined) {
      await line.send(Kind.hello, { ...made, before, fullReason } satisfies ReceiverHello)
      return
    }
    const [state] = await chain.needs(parent.date)
    const codec = chain.codec(parent.date)
    const isRaw = suffixes.includes(codec.suffix)
    const stored = () => chain.store.get(state!.name, undefined, { signal: line.signal })
    this.#answers = new Answers(
      {
        links: parent.links,
        requires: parent.requires,
        artifacts: parent.artifacts,
        lost: [...lostSigvaults(chain, parent.closing)],
        state: () => (isRaw ? stored() : decodeFrames(stored(), codec, state!.name)),
        signature: parent.signature,
        origins: parent.origins
      },
      line
    )
    const isMerged = parent.header.standsFor !== undefined
    const told = { date: parent.date, state: state!.name, suffix: isRaw ? codec.suffix : '', isMerged }
    await line.send(Kind.hello, { ...made, before, parent: told } satisfies ReceiverHello)
  }

  #watch() {
    const { onProgress } = this.options
    let sizeBytes = 0
    const names = new Set<string>()
    return observe<Chunk | Sealed | Counted>(item => {
      if (onProgress === undefined || !isChunk(item)) return
      names.add(item.name)
      sizeBytes += item.bytes.length
      onProgress({ path: item.name, entries: names.size, files: names.size, sizeBytes, storedBytes: sizeBytes })
    })
  }
}

/** @throws BackupError IBT_ARCHIVE_CORRUPT, IBT_NOT_ALLOWED */
function checkHello(hello: Partial<SenderHello>): SenderHello {
  const { key, defaultKey, kind, root, host, sourceId, allowSourceMismatch, maxChain, suffixes, mode } = hello
  if (mode !== undefined) {
    const message = 'The sender sends a tree for a directory, and the receiver stores backups: give it --into DIR'
    throw new BackupError('IBT_NOT_ALLOWED', message)
  }
  const isText = (value: unknown) => typeof value === 'string'
  const isRight =
    isText(defaultKey) &&
    isText(root) &&
    isText(host) &&
    (key === undefined || isText(key)) &&
    (sourceId === undefined || isText(sourceId)) &&
    (maxChain === undefined || Number.isSafeInteger(maxChain)) &&
    (kind === 'full' || kind === 'incremental' || kind === 'auto') &&
    Array.isArray(suffixes)
  if (!isRight) throw new BackupError('IBT_ARCHIVE_CORRUPT', 'The sender does not say what it wants to back up')
  return { ...(hello as SenderHello), allowSourceMismatch: allowSourceMismatch === true }
}

/** @throws BackupError IBT_NAME_INVALID */
function chooseKey({ key, defaultKey }: SenderHello, allowed: string | undefined): string {
  const chosen = key ?? allowed ?? defaultKey
  checkKey(chosen)
  if (allowed === undefined || allowed === chosen) return chosen
  throw new BackupError('IBT_NAME_INVALID', `The sender may write backups of ${allowed}, not of ${chosen}`, {
    path: chosen
  })
}
