import { encodeStateClosing, encodeStateEntry, encodeStateHeader } from '../../src/format/state-encode.js'
import { comparePaths, decodePath } from '../../src/path.js'
import type { StateClosing, StateEntry, StateHeader } from '../../src/types.js'

export const DATES = ['20261101T123015.007Z', '20261102T000000.000Z', '20261103T000000.000Z'] as const
const SHA = '0123456789abcdef'.repeat(4)

export const HEADER: StateHeader = {
  key: 'home.me',
  kind: 'incremental',
  date: DATES[2],
  startedNs: 1_793_664_000_123_000_000n,
  root: decodePath(Buffer.from('/home/m\xe9', 'latin1')),
  host: 'a "host"',
  sourceId: 'id',
  options: { compress: 'zstd', jobs: 4 },
  chain: [{ date: DATES[0], stateSha256: SHA }, { date: DATES[1], stateSha256: SHA }, { date: DATES[2] }],
  requires: []
}

export const CLOSING: StateClosing = {
  totals: {
    entries: 1,
    files: 2,
    sizeBytes: Number.MAX_SAFE_INTEGER,
    created: 3,
    updated: 4,
    touched: 5,
    deleted: 6,
    unchanged: 7,
    unreadable: 8,
    carried: 9,
    dirty: 10
  },
  artifacts: [{ name: `home.me.full.${DATES[0]}.tar.zst`, kind: 'full', date: DATES[0], sizeBytes: 12, sha256: SHA }]
}

/** As `stateEmit` numbers them: a place in the backup that is being made has the empty date. */
export const CHAIN_INDEX: ReadonlyMap<string, number> = new Map([
  ...DATES.map((date, i) => [date, i] as const),
  ['', 2]
])

const PLAIN = { mode: 0o644, uid: 1000, gid: 1000, mtimeNs: 1_700_000_000_123_456_789n } as const

export const ODD_NAMES: readonly string[] = [
  'plain',
  ' ',
  '"quoted"',
  'back\\slash',
  'new\nline',
  'tab\t',
  '\u0001\u001f\u007f',
  '__proto__',
  'constructor',
  '],"totals":{',
  'é€',
  '😀',
  '\u2028\u2029\ufeff\ufffd\uffff',
  'n'.repeat(255),
  `${'d'.repeat(200)}/${'e'.repeat(200)}`,
  decodePath(Buffer.from([0x61, 0xff, 0x80])),
  decodePath(Buffer.from('\xed\xa0\x80"\xe9\n', 'latin1')),
  `😀${decodePath(Buffer.from([0xf0, 0x9f]))}`
]

export const ENTRIES: readonly StateEntry[] = [
  { ...PLAIN, path: '.', type: 'directory', mode: 0o7777 },
  ...ODD_NAMES.map((path): StateEntry => ({ ...PLAIN, path, type: 'file', sizeBytes: 0 })),
  ...ODD_NAMES.map(
    (linkname, i): StateEntry => ({
      ...PLAIN,
      path: `symlink-${i}`,
      type: 'symlink',
      linkname,
      uname: linkname,
      gname: linkname
    })
  ),
  {
    ...PLAIN,
    path: 'all',
    type: 'file',
    uid: 4_294_967_294,
    gid: 0,
    mtimeNs: -1_500_000_000n,
    ctimeNs: 2n ** 63n - 1n,
    ino: 2n ** 64n - 1n,
    sizeBytes: Number.MAX_SAFE_INTEGER,
    link: 7,
    xattrs: new Map([
      ['user.a', new Uint8Array([0, 255, 34])],
      ['__proto__', new Uint8Array(0)],
      ['user."\n', new Uint8Array([1])]
    ]),
    sha256: SHA,
    places: [
      { date: DATES[0], in: 'full', offset: 0, path: 'was "here"' },
      { date: DATES[1], in: 'updated', offset: 512, path: decodePath(Buffer.from([0xff])), sizeBytes: 99 },
      { date: DATES[2], in: 'updated', offset: 2 ** 52 }
    ],
    signature: { date: DATES[2], offset: 1024 },
    dirty: true,
    carried: true,
    racy: true,
    expectedSha256: SHA
  },
  { ...PLAIN, path: 'device', type: 'character-device', devMajor: 1, devMinor: 1_048_575 },
  { ...PLAIN, path: 'socket', type: 'socket' },
  { ...PLAIN, path: 'fifo', type: 'fifo' },
  { ...PLAIN, path: 'unreadable', type: 'unreadable' },
  { ...PLAIN, path: 'erased', type: 'unreadable', erased: DATES[0] }
].sort((a, b) => comparePaths(a.path, b.path)) as readonly StateEntry[]

export function encodeState(entries: readonly StateEntry[] = ENTRIES, header = HEADER, closing = CLOSING): string {
  const lines = entries.map(entry => encodeStateEntry(entry, CHAIN_INDEX))
  return `${encodeStateHeader(header)}\n${lines.join(',\n')}\n${encodeStateClosing(closing)}\n`
}

/** Without the fields that are undefined. */
export function compact<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T
}
