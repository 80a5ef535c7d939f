import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { encodePath } from '../../src/path.js'
import type { StateEntry } from '../../src/types.js'

/** What a backup has to keep of an entry. Bytes that need not be UTF-8 are binary (latin1) strings. */
export interface Kept {
  readonly type: string
  readonly mode?: number
  readonly uid: number
  readonly gid: number
  readonly mtimeNs: bigint
  readonly sha256?: string
  readonly linkname?: string
  /** The first path of the entry's hard-link group, if that has other members here. */
  readonly group?: string
  readonly xattrs: string
}

/** All entries below a root and the root itself (`.`), by path. */
export type Snapshot = ReadonlyMap<string, Kept>

export interface SnapshotOptions {
  readonly isWanted?: (path: string, stat: BigIntStats) => boolean
  /** Read extended attributes, which takes a process. */
  readonly xattrs: boolean
}

/** A tree as it is on disk, without what is not wanted. */
export function takeSnapshot(root: string, { isWanted = () => true, xattrs: withXattrs }: SnapshotOptions): Snapshot {
  const found = new Map<string, Kept & { readonly inode?: bigint }>()
  const xattrs = withXattrs ? readXattrs(root) : new Map<string, string>()
  const visit = (path: string) => {
    const at = Buffer.from(`${root}/${path}`, 'latin1')
    const stat = lstatSync(at, { bigint: true })
    if (!isWanted(path, stat)) return
    const { mtimeNs } = stat
    const metadata = { uid: Number(stat.uid), gid: Number(stat.gid), mtimeNs, xattrs: xattrs.get(path) ?? '' }
    const type = typeOf(stat)
    found.set(path, {
      ...metadata,
      type,
      ...(type !== 'symlink' && { mode: Number(stat.mode & 0o7777n) }),
      ...(type === 'symlink' && { linkname: readlinkSync(at, { encoding: 'buffer' }).toString('latin1') }),
      ...(type === 'file' && { sha256: createHash('sha256').update(readFileSync(at)).digest('hex') }),
      ...(type !== 'directory' && { inode: stat.ino })
    })
    if (type !== 'directory') return
    for (const name of readdirSync(at, { encoding: 'buffer' })) {
      visit(path === '.' ? name.toString('latin1') : `${path}/${name.toString('latin1')}`)
    }
  }
  visit('.')
  return grouped(found, ({ inode }) => inode)
}

/** The same of what a state says. */
export async function snapshotOfState(entries: AsyncIterable<StateEntry>): Promise<Snapshot> {
  const found = new Map<string, Kept & { readonly link?: number | undefined }>()
  for await (const { path, type, mode, uid, gid, mtimeNs, sha256, linkname, link, xattrs } of entries) {
    found.set(latin1(path), {
      ...{ type, uid, gid, mtimeNs, link },
      ...(type !== 'symlink' && { mode }),
      ...(sha256 !== undefined && { sha256 }),
      ...(linkname !== undefined && { linkname: latin1(linkname) }),
      xattrs: printXattrs([...(xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString('hex')]))
    })
  }
  return grouped(found, ({ link }) => link)
}

const latin1 = (path: string) => encodePath(path).toString('latin1')

function typeOf(stat: BigIntStats): string {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  return stat.isSymbolicLink() ? 'symlink' : stat.isFIFO() ? 'fifo' : 'other'
}

/** Only the entries of some paths, their groups made anew. */
export function subset(snapshot: Snapshot, isWanted: (path: string) => boolean): Snapshot {
  return grouped(new Map([...snapshot].filter(([path]) => isWanted(path))), ({ group }) => group)
}

function grouped<T extends Kept>(entries: ReadonlyMap<string, T>, idOf: (entry: T) => unknown): Snapshot {
  const groups = new Map<unknown, string[]>()
  for (const [path, entry] of entries) {
    const id = idOf(entry)
    if (id !== undefined) groups.set(id, [...(groups.get(id) ?? []), path].sort())
  }
  const kept = [...entries].map(([path, entry]): [string, Kept] => {
    const { inode: _, link: __, group: ___, ...rest } = entry as Kept & { inode?: unknown; link?: unknown }
    const members = groups.get(idOf(entry)) ?? []
    return [path, members.length > 1 ? { ...rest, group: members[0]! } : rest]
  })
  return new Map(kept.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Attributes of users, as getfattr prints them; of nothing where nothing has one. */
function readXattrs(root: string): Map<string, string> {
  const found = new Map<string, string>()
  const { stdout } = spawnSync('getfattr', ['-R', '-h', '-P', '-d', '-m', '^user\\.', '-e', 'hex', '.'], {
    cwd: root,
    maxBuffer: 1 << 28
  })
  for (const block of stdout.toString('latin1').split('\n\n')) {
    const [head, ...lines] = block.split('\n')
    if (!head?.startsWith('# file: ')) continue
    const path = head.slice(8).replace(/\\(\d{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
    const pairs = lines.filter(line => line !== '').map(line => line.split('=0x') as [string, string])
    found.set(path.replace(/^\.\/(?=.)/, ''), printXattrs(pairs))
  }
  return found
}

function printXattrs(pairs: readonly (readonly [string, string])[]): string {
  return pairs
    .filter(([name]) => name.startsWith('user.'))
    .map(pair => pair.join('='))
    .sort()
    .join(' ')
}
