import { setImmediate, setTimeout } from 'node:timers/promises'
import { Readable } from 'streamx'
import type { Header, Pack } from 'tar-stream'
import { BackupError } from '../errors.js'
import { withKnownSize } from '../flow/known-size.js'
import { onAbort } from '../flow/on-abort.js'
import { isUtf8Path, printPath } from '../path.js'
import { type Entry, isEntry, type Signed, type Sink, type Source, type StageContext } from '../types.js'
import { Feed } from './feed.js'

/** What `toTarStream` has passed on. */
export interface TarStreamReport {
  readonly entries: number
  /** Entries that a tar cannot hold: sockets, and what could not be read. */
  readonly skippedEntries: number
}

type NewHeader = Partial<Header> & { readonly name: string; pax?: Readonly<Record<string, string>> }

/** Ids above have no room in the six octal digits that tar-stream writes. */
const ID_MAX = 0o777777
const SECONDS_MAX = 2 ** 31 - 1
/** Bytes of a user's or group's name in a header. */
const OWNER_NAME_BYTES = 31
/** Turns of the event loop before a full pack is looked at by the clock. */
const EAGER_LOOKS = 64
const LOOK_MS = 5

/**
 * Feeds entries with their contents into a tar-stream pack of the user's, then finalizes it.
 *
 * Consumes `Entry`; other items are passed over. Order kept. Times to the nanosecond, large ids and attributes go into
 * PAX records; further members of a hard-link group become links to the first, which has to be in the same tar.
 * No look-ahead. Memory: the pack's buffer, and one table entry for each hard-link group.
 *
 * @throws BackupError IBT_FILE_CHANGED if a content has another size than its entry says, IBT_SIZE_UNKNOWN without one,
 * IBT_NAME_INVALID for a name, IBT_UNSUPPORTED_TYPE for an attribute that is not UTF-8: a pack takes text only. The pack is
 * destroyed then.
 */
export function toTarStream(pack: Pack): Sink<Entry, TarStreamReport> {
  if (typeof pack?.entry !== 'function') throw new TypeError('toTarStream: a pack of tar-stream is expected')
  return async function tarStreamSink(source, context = {}) {
    const firstLinks = new Map<number, string>()
    // What fails here rejects the sink; whoever reads the pack hears of it, too, but need not listen.
    pack.on('error', () => {})
    let entries = 0
    let skippedEntries = 0
    try {
      for await (const entry of source) {
        if (!isEntry(entry)) continue
        if (entry.type === 'socket' || entry.type === 'unreadable') skippedEntries += 1
        else {
          await room(pack, context)
          await add(pack, entry, linkTarget(entry, firstLinks), context)
          entries += 1
        }
      }
    } catch (error) {
      pack.destroy(error instanceof Error ? error : new Error('The pipeline was aborted', { cause: error }))
      throw error
    }
    pack.finalize()
    return { entries, skippedEntries }
  }
}

/** The earlier member that the entry is a link to. */
function linkTarget(entry: Entry & Pick<Signed, 'linkTo'>, firstLinks: Map<number, string>): string | undefined {
  if (entry.linkTo !== undefined || entry.link === undefined || entry.type !== 'file') return entry.linkTo
  const first = firstLinks.get(entry.link)
  if (first === undefined) firstLinks.set(entry.link, entry.path)
  return first
}

/** Entries without a body wait for nothing in tar-stream: its buffer would grow without bound. */
async function room(pack: Pack, { signal }: StageContext): Promise<void> {
  for (let looks = 0; Readable.isBackpressured(pack as never); looks++) {
    signal?.throwIfAborted()
    if (pack.destroying) break
    await (looks < EAGER_LOOKS ? setImmediate() : setTimeout(LOOK_MS))
  }
}

async function add(pack: Pack, entry: Entry, linkTo: string | undefined, { signal }: StageContext): Promise<void> {
  const sized = linkTo === undefined ? await withKnownSize(entry, signal) : entry
  const header = toHeader(sized, linkTo)
  if (header.type !== 'file') {
    pack.entry(header).on('error', () => {})
    return
  }
  const feed = new Feed(exactly(sized), pack.entry(header))
  const stopListening = onAbort(signal, reason => feed.fail(reason))
  try {
    await feed.run()
  } finally {
    stopListening()
  }
}

/** The content, if it has the size that the header says. */
async function* exactly({ path, sizeBytes = 0, content }: Entry): AsyncGenerator<Uint8Array, void, undefined> {
  let left = sizeBytes
  for await (const chunk of (content?.open() ?? []) as Source<Uint8Array>) {
    left -= chunk.length
    if (left < 0) throw changed(path, sizeBytes, 'more')
    if (chunk.length > 0) yield chunk
  }
  if (left > 0) throw changed(path, sizeBytes, 'less')
}

function changed(path: string, sizeBytes: number, than: string): BackupError {
  const message = `The content of ${printPath(path)} has ${than} than the ${sizeBytes} bytes that its entry says`
  return new BackupError('IBT_FILE_CHANGED', message, { path })
}

/** A fresh one each time: tar-stream fills it in. */
function toHeader(entry: Entry, linkTo: string | undefined): NewHeader {
  const { path, mode, mtimeNs, uid, gid, uname = '', gname = '' } = entry
  const type = (linkTo === undefined ? entry.type : 'link') as Header['type']
  const linkname = linkTo ?? (type === 'symlink' ? entry.linkname : undefined)
  checkText(path, path)
  if (linkname !== undefined) checkText(path, linkname)
  if (type === 'file' && entry.sizeBytes === undefined) {
    throw new BackupError('IBT_SIZE_UNKNOWN', `The size of ${printPath(path)} is not known`, { path })
  }
  const pax = toPax(entry)
  const seconds = Number(mtimeNs / 1_000_000_000n)
  return {
    name: type === 'directory' ? `${path}/` : path,
    type,
    // Mode 0 would become 0644; the bit above those that are written keeps it.
    mode: mode === 0 ? 0o10000 : mode,
    uid: Math.min(uid, ID_MAX),
    gid: Math.min(gid, ID_MAX),
    uname: pax?.uname === undefined ? uname : '',
    gname: pax?.gname === undefined ? gname : '',
    mtime: new Date(Math.min(Math.max(seconds, 0), SECONDS_MAX) * 1000),
    size: type === 'file' ? entry.sizeBytes! : 0,
    ...(linkname === undefined ? {} : { linkname }),
    ...(entry.devMajor === undefined ? {} : { devmajor: entry.devMajor, devminor: entry.devMinor ?? 0 }),
    ...(pax === undefined ? {} : { pax })
  }
}

function checkText(path: string, name: string): void {
  if (isUtf8Path(name)) return
  throw new BackupError('IBT_NAME_INVALID', `tar-stream cannot write ${printPath(name)}: it is not UTF-8`, { path })
}

/** What the header has no room for. */
function toPax({ path, mtimeNs, uid, gid, uname = '', gname = '', xattrs }: Entry) {
  const pax: Record<string, string> = {}
  const seconds = mtimeNs / 1_000_000_000n
  if (mtimeNs % 1_000_000_000n !== 0n || seconds < 0n || seconds > SECONDS_MAX) pax.mtime = toSeconds(mtimeNs)
  if (uid > ID_MAX) pax.uid = String(uid)
  if (gid > ID_MAX) pax.gid = String(gid)
  if (Buffer.byteLength(uname) > OWNER_NAME_BYTES) pax.uname = uname
  if (Buffer.byteLength(gname) > OWNER_NAME_BYTES) pax.gname = gname
  for (const [name, value] of xattrs ?? []) {
    const text = Buffer.from(value).toString()
    if (!Buffer.from(text).equals(value)) {
      const message = `tar-stream cannot write the attribute ${printPath(name)} of ${printPath(path)}: it is not UTF-8`
      throw new BackupError('IBT_UNSUPPORTED_TYPE', message, { path })
    }
    pax[`SCHILY.xattr.${name}`] = text
  }
  return Object.keys(pax).length === 0 ? undefined : pax
}

function toSeconds(ns: bigint): string {
  const magnitude = ns < 0n ? -ns : ns
  const decimals = String(magnitude % 1_000_000_000n).padStart(9, '0')
  return `${ns < 0n ? '-' : ''}${magnitude / 1_000_000_000n}.${decimals}`
}
