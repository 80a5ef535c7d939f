import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { listEntries } from '../../src/index.js'
import { encodePath } from '../../src/path.js'
import type { EntryType, StateEntry } from '../../src/types.js'
import { run } from './judges.js'

const IS_ROOT = process.geteuid?.() === 0
/** What ext4 can hold, in seconds. */
const [OLDEST, NEWEST] = [-(2n ** 31n), 2n ** 34n - 2n ** 31n]
const NS = 1_000_000_000n

/** An entry as expected.json has it. */
export interface Expected {
  readonly path: string
  readonly pathBase64?: string
  readonly type: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: string
  readonly sizeBytes?: number
  readonly sha256?: string
  readonly signatureDigest?: unknown
  readonly linkname?: string
  readonly linknameBase64?: string
  readonly link?: number
  readonly erased?: string
  readonly devMajor?: number
  readonly devMinor?: number
  /** By name, in base64. */
  readonly xattrs?: Readonly<Record<string, string>>
}

/** What a frozen chain must come back as: its entries at every date, or a refusal. */
export interface Manifest {
  readonly provenance: string
  readonly dates?: Readonly<Record<string, readonly Expected[]>>
  readonly refused?: { readonly code: string; readonly exit: number; readonly says: string }
}

const bytesOf = (text: string | undefined, base64: string | undefined) =>
  text === undefined ? undefined : base64 === undefined ? Buffer.from(text) : Buffer.from(base64, 'base64')
const pathOf = ({ path, pathBase64 }: Expected) => bytesOf(path, pathBase64)!
const byPath = (a: Expected, b: Expected) => Buffer.compare(pathOf(a), pathOf(b))

/** The state says of each entry what is expected, no matter what this machine can restore. */
export async function assertLists(store: string, at: string, expected: readonly Expected[]): Promise<void> {
  const found: Expected[] = []
  for await (const entry of listEntries('key', { store, cache: false, at })) found.push(toExpected(entry))
  const wanted = [...expected].sort(byPath)
  found.sort(byPath)
  assert.equal(found.length, wanted.length)
  for (const [i, entry] of wanted.entries()) {
    const known = Object.fromEntries(Object.keys(entry).map(field => [field, found[i]![field as keyof Expected]]))
    // What nobody knows when the state is written, the restored tree shows.
    if (found[i]!.sha256 === undefined && found[i]!.signatureDigest !== undefined) known.sha256 = entry.sha256
    // Groups are what counts, not their numbers: the restored tree shows them.
    assert.deepEqual({ ...known, link: undefined }, { ...entry, link: undefined })
  }
}

function toExpected(entry: StateEntry): Expected {
  const text = Object.entries({ path: entry.path, linkname: entry.linkname, uname: entry.uname, gname: entry.gname })
  const fields = text.flatMap(([name, value]) => {
    if (value === undefined) return []
    const bytes = encodePath(value)
    const isText = Buffer.from(bytes.toString()).equals(bytes)
    return [[name, bytes.toString()], ...(isText ? [] : [[`${name}Base64`, bytes.toString('base64')]])]
  })
  const xattrs = [...(entry.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString('base64')])
  return {
    ...entry,
    ...Object.fromEntries(fields),
    mtimeNs: String(entry.mtimeNs),
    xattrs: Object.fromEntries(xattrs)
  }
}

/**
 * What is on the disk is what is expected, and nothing else. Sockets are not restored, devices by root only.
 * `inodes` has the group of links that each file belongs to.
 */
export function assertRestored(root: string, expected: readonly Expected[]): void {
  const inodes = new Map<bigint, number | string>()
  const restorable = expected.filter(({ type }) => IS_ROOT || !type.endsWith('-device'))
  const present = restorable.filter(({ type }) => type !== 'socket' && type !== 'unreadable')
  for (const entry of present) {
    const path = Buffer.concat([Buffer.from(`${root}/`), pathOf(entry)])
    const stat = lstatSync(path, { bigint: true, throwIfNoEntry: false })
    assert.ok(stat !== undefined, `${entry.path} is missing`)
    assertStat(entry, stat)
    assertXattrs(entry, path)
    if (entry.type === 'symlink') {
      assert.deepEqual(readlinkSync(path, { encoding: 'buffer' }), bytesOf(entry.linkname, entry.linknameBase64))
    }
    if (entry.type !== 'file') continue
    assertContent(entry, path)
    const group = groupOf(entry)
    assert.equal(inodes.get(stat.ino) ?? group, group, `${entry.path} is linked with another file`)
    inodes.set(stat.ino, group)
  }
  const groups = new Set(present.filter(({ type }) => type === 'file').map(groupOf))
  assert.equal(inodes.size, groups.size, 'links of one file are several files')
  assert.equal(countEntries(Buffer.from(root)), present.length)
}

const groupOf = (entry: Expected) => entry.link ?? pathOf(entry).toString('base64')

function assertContent({ path, sizeBytes, sha256 }: Expected, place: Buffer): void {
  const content = readFileSync(place)
  assert.deepEqual([content.length, createHash('sha256').update(content).digest('hex')], [sizeBytes, sha256], path)
}

/** Only of entries that have some: `getfattr` says what is there. */
function assertXattrs({ path, xattrs }: Expected, place: Buffer): void {
  if (xattrs === undefined) return
  // A path that need not be text comes by way of the shell's input.
  const script = 'IFS= read -r -d "" path; getfattr -hd -m "^user\\." -e base64 --absolute-names -- "$path"'
  const said = run('bash', ['-c', script], Buffer.concat([place, Buffer.alloc(1)])).toString()
  const named = [...said.matchAll(/^(user\..*?)=0s(.*)$/gm)].map(([, name, value]) => [unescapeName(name!), value])
  assert.deepEqual(Object.fromEntries(named), xattrs, path)
}

/** getfattr writes `=` and others in octal. */
function unescapeName(name: string): string {
  return name.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** A directory and all that lies below. */
function countEntries(directory: Buffer): number {
  let count = 1
  for (const name of readdirSync(directory, { encoding: 'buffer' })) {
    const path = Buffer.concat([directory, Buffer.from('/'), name])
    count += lstatSync(path).isDirectory() ? countEntries(path) : 1
  }
  return count
}

function assertStat(entry: Expected, stat: BigIntStats): void {
  const { path, type, mode, mtimeNs, uid, gid, devMajor, devMinor } = entry
  assert.equal(typeOf(stat), type, path)
  if (type !== 'symlink') assert.equal(Number(stat.mode) & 0o7777, mode, path)
  const seconds = BigInt(mtimeNs) / NS
  if (seconds > OLDEST && seconds < NEWEST) assert.equal(String(stat.mtimeNs), mtimeNs, path)
  // Major and minor numbers share a word on Linux, up to 255 as they always did.
  if (type.endsWith('-device')) assert.equal(Number(stat.rdev), (devMajor! << 8) | devMinor!, path)
  if (IS_ROOT) assert.deepEqual([Number(stat.uid), Number(stat.gid)], [uid, gid], path)
}

function typeOf(stat: BigIntStats): EntryType {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isCharacterDevice()) return 'character-device'
  if (stat.isBlockDevice()) return 'block-device'
  return stat.isFIFO() ? 'fifo' : 'socket'
}
