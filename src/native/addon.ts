import { loadAddon } from './load-addon.js'

declare const handle: unique symbol
/** An object that only the addon can make and look into. */
export interface Handle<Kind extends string> {
  readonly [handle]: Kind
}
export type Canceller = Handle<'canceller'>
/** Jobs that wait for each other without JavaScript: see `createSequence`. */
export type Sequence = Handle<'sequence'>
type Token = Canceller | undefined

/** `columns`: see `columns.ts`. */
export interface RawListing {
  readonly count: number
  readonly columns: ArrayBuffer
  readonly names: Buffer
  readonly nameOffsets: Uint32Array
  readonly linknames: Buffer
  readonly linknameOffsets: Uint32Array
  readonly xattrs: Buffer
  readonly captured: (Buffer | undefined)[]
  readonly dev: bigint
  readonly ino: bigint
  /** The listing that it is an entry of, and which; -1 for a directory that was asked for. */
  readonly parent: number
  readonly entry: number
}

/** `starts`: for each path where its listing is in `directories`; -1 if it failed, -2 if it was not reached. */
export interface RawTree {
  readonly directories: readonly RawListing[]
  readonly starts: Int32Array
  readonly errnos: Int32Array
  readonly syscalls: readonly string[]
}

export interface RawBatch {
  readonly count: number
  readonly columns: ArrayBuffer
  readonly offsets: Float64Array
  readonly flags: Uint8Array
  readonly sha256: Buffer
  readonly signatures: Buffer
  readonly signatureOffsets: Float64Array
}

export interface RawScanResult {
  readonly delta: Buffer
  readonly sha256: Buffer
  readonly signature: Buffer
  readonly sizeBytes: number
  readonly copies: number
  readonly copiedBytes: number
}

interface RawSignature {
  readonly blockLen: number
  readonly strongLen: number
  readonly blocks: number
  readonly handle: Handle<'signature'>
}

interface RawStats {
  readonly inBytes: number
  readonly outBytes: number
}

/** weak (0 rollsum, 1 rabinkarp), strong (0 md4, 1 blake2), blockLen, strongLen. */
export type FormatArguments = readonly [weak: number, strong: number, blockLen: number, strongLen: number]

/** A listed directory. */
export type DirectoryArguments = readonly [
  path: Uint8Array,
  columns: Uint8Array,
  names: Uint8Array,
  nameOffsets: Uint32Array,
  linknames: Uint8Array,
  linknameOffsets: Uint32Array
]

/** Columns of files that were read, how many they are, and which is the first of a span. */
export type FileArguments = readonly [columns: Uint8Array, count: number, first: number]

/** The directory that a job works below: a name, or a descriptor. */
export type RootArgument = Uint8Array | number

/** Metadata that an operation could not set; parts are the numbers of native/fs/metadata.h. */
export type RawUnset = readonly [operation: number, part: 1 | 2 | 3 | 4 | 5, errno: number, attribute: Buffer]

/** What native/binding.cc exports: plain arguments in order, checked there; jobs end in a token and return promises. */
export interface Addon {
  setThreads(count: number): void
  returnFreedMemory(): void
  canceller(): Canceller
  cancel(canceller: Canceller): void
  allocate(sizeBytes: number): Buffer

  listDirectories(
    root: RootArgument,
    paths: Uint8Array,
    count: number,
    capture: readonly Uint8Array[],
    captureMaxBytes: number,
    captureLinks: number,
    belowEntries: number,
    token: Token
  ): Promise<RawTree>
  readFiles(
    root: Uint8Array,
    names: Uint8Array,
    count: number,
    slab: Uint8Array,
    signMinBytes: number,
    blockLenMin: number,
    strongLen: number,
    racyMs: number,
    gaps: Uint32Array | undefined,
    token: Token
  ): Promise<RawBatch>
  openFile(
    root: RootArgument,
    path: Uint8Array,
    create: boolean,
    token: Token
  ): Promise<{ fd: number; columns: ArrayBuffer; isSettled: boolean }>
  dataExtents(fd: number, sizeBytes: number, max: number, token: Token): Promise<Float64Array>
  /** [start, size, errno] */
  shareBlocks(
    from: number,
    fromAt: number,
    to: number,
    toAt: number,
    sizeBytes: number,
    token: Token
  ): Promise<Float64Array>
  makeHole(fd: number, at: number, sizeBytes: number, token: Token): Promise<boolean>
  sequence(): Sequence
  openRoot(path: Uint8Array, token: Token): Promise<number>
  closeDescriptor(fd: number, token: Token): Promise<void>
  operate(
    root: RootArgument,
    codes: Uint8Array,
    paths: Uint8Array,
    others: Uint8Array,
    modes: Uint32Array,
    uids: Uint32Array,
    gids: Uint32Array,
    mtimesNs: BigInt64Array,
    devMajors: Uint32Array,
    devMinors: Uint32Array,
    xattrs: Uint8Array,
    xattrOffsets: Float64Array,
    slab: Uint8Array,
    offsets: Float64Array,
    digests: Uint8Array,
    setsOwner: boolean,
    sequence: Sequence | undefined,
    token: Token
  ): Promise<{ errnos: Int32Array; unset: readonly RawUnset[] }>
  userName(uid: number): string | undefined
  groupName(gid: number): string | undefined
  userId(name: string): number | undefined
  groupId(name: string): number | undefined

  createLineMatcher(chainLength: number): Handle<'matcher'>
  matchLines(
    matcher: Handle<'matcher'>,
    ...rest: [...DirectoryArguments, begin: number, end: number, lines: Uint8Array, start: number, found: Float64Array]
  ): number
  compareLines(
    matcher: Handle<'matcher'>,
    ...rest: [
      ...DirectoryArguments,
      begin: number,
      end: number,
      lines: Uint8Array,
      start: number,
      sameMax: number,
      codes: Uint8Array,
      differences: Uint8Array,
      starts: Uint32Array,
      ends: Uint32Array,
      digests: Uint32Array,
      found: Float64Array
    ]
  ): number
  usedByLines(matcher: Handle<'matcher'>): Uint8Array
  createSpanWriter(): Handle<'span writer'>
  planHeaders(writer: Handle<'span writer'>, ...rest: [...DirectoryArguments, begin: number, end: number]): Uint32Array
  writeHeaders(
    writer: Handle<'span writer'>,
    ...rest: [
      ...DirectoryArguments,
      ...FileArguments,
      begin: number,
      end: number,
      offsets: Float64Array,
      slab: Uint8Array,
      at: number,
      places: Float64Array,
      treatments: Uint8Array | undefined
    ]
  ): number
  writeLines(
    writer: Handle<'span writer'>,
    ...rest: [
      ...DirectoryArguments,
      ...FileArguments,
      begin: number,
      end: number,
      flags: Uint8Array,
      sha256: Uint8Array,
      places: Float64Array,
      base: number,
      signatures: Float64Array,
      date: number,
      kind: string,
      treatments?: Uint8Array,
      lines?: Uint8Array,
      starts?: Uint32Array,
      ends?: Uint32Array,
      digests?: Uint32Array,
      matcher?: Handle<'matcher'>
    ]
  ): Buffer

  loadSignature(bytes: Uint8Array, token: Token): Promise<RawSignature>
  deltaBytes(signature: Uint8Array, bytes: Uint8Array, token: Token): Promise<{ delta: Buffer; copies: number }>
  createScanner(
    sizeBytes: number,
    sign: boolean,
    ...rest: [...FormatArguments, basis: Handle<'signature'> | undefined]
  ): Handle<'scanner'>
  scannerUpdate(scanner: Handle<'scanner'>, chunk: Uint8Array, token: Token): Promise<Buffer>
  scannerZeros(scanner: Handle<'scanner'>, count: number, token: Token): Promise<Buffer>
  scannerFinish(scanner: Handle<'scanner'>, token: Token): Promise<RawScanResult>
  createPatcher(cacheBytes: number): Handle<'patcher'>
  patcherGive(patcher: Handle<'patcher'>, start: number, bytes: Uint8Array): void
  patcherNeeds(patcher: Handle<'patcher'>): readonly [kind: number, position: number, length: number] | undefined
  patcherSkip(patcher: Handle<'patcher'>, length: number): void
  patcherPush(patcher: Handle<'patcher'>, delta: Uint8Array): void
  patcherPull(
    patcher: Handle<'patcher'>,
    basis: number | Uint8Array | undefined,
    maxBytes: number,
    token: Token
  ): Promise<Buffer | null>
  patcherEnd(patcher: Handle<'patcher'>): void
  patchBytes(basis: Uint8Array, delta: Uint8Array, maxBytes: number, token: Token): Promise<Buffer>
  signatureFile(inFd: number, outFd: number, ...rest: [...FormatArguments, token: Token]): Promise<RawStats>
  deltaFile(signatureFd: number, newFd: number, outFd: number, token: Token): Promise<RawStats>
  patchFile(basisFd: number, deltaFd: number, outFd: number, token: Token): Promise<RawStats>
  composeFiles(deltaFds: Int32Array, outFd: number, token: Token): Promise<RawStats>
  composeBytes(deltas: readonly Uint8Array[], maxBytes: number, token: Token): Promise<Buffer>
  createComposer(): Handle<'composer'>
  composerFeed(composer: Handle<'composer'>, piece: Uint8Array): Float64Array
  composerEnd(composer: Handle<'composer'>, token: Token): Promise<number>
  composerCount(composer: Handle<'composer'>, token: Token): Promise<number>
  composerBlocks(
    composer: Handle<'composer'>,
    basisBytes: number,
    blockBytes: number,
    kept: number
  ): readonly [read: number, again: number]
  composerCompact(composer: Handle<'composer'>): Float64Array
  composerPull(
    composer: Handle<'composer'>,
    literals: number | Uint8Array,
    maxBytes: number,
    token: Token
  ): Promise<Buffer | null>
  composerRewind(composer: Handle<'composer'>): void
}

let loaded: Addon | undefined

/** Loads the addon on the first call. @throws BackupError IBT_NATIVE if there is none that works here. */
export function addon(): Addon {
  loaded ??= loadAddon() as Addon
  return loaded
}
