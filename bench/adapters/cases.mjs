// The adapters: what each is put into.
import { fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { Transform as StreamxTransform } from 'streamx'

async function* passAll(source) {
  yield* source
}

/** Bytes of a plain tar, through a stream of each make, into nothing. */
export const STREAMS = {
  'plain tar': () => [],
  'Node transform': () => [new PassThrough()],
  'streamx transform': () => [new StreamxTransform()],
  'web transform': () => [new TransformStream()],
  'a stage as a Duplex': ({ stageToDuplex }) => [stageToDuplex(passAll)],
  limitRate: ({ limitRate }) => [limitRate('100 GB/s')],
  'stream/iter transform': ({ fromIterTransform }) => [fromIterTransform(batch => batch)]
}

/** A store of its own beside the directory, on the same disk. */
const beside = (disk, { directoryStore }) => directoryStore(`${disk.path}-2`)

/** A backup into a directory, or a restore out of it, by way of each store. */
export const STORES = {
  plain: disk => disk,
  prefixed: (disk, { prefixed }) => prefixed(disk, 'host.'),
  opaqueNames: (disk, { opaqueNames }) => opaqueNames(disk, 'a secret of sixteen bytes'),
  tiered: (disk, stores) => stores.tiered({ default: disk, state: beside(disk, stores) }),
  retrying: (disk, { retrying }) => retrying(disk),
  rateLimited: (disk, { rateLimited }) => rateLimited(disk, '100 GB/s'),
  encrypted: async (disk, { encrypted }) => encrypted(disk, await ageCipher()),
  'mirror of two': (disk, stores) => stores.mirror([disk, beside(disk, stores)]),
  remoteStore: async (disk, { remoteStore }) => {
    const [port] = await once(await serverApart(disk.path), 'message')
    return remoteStore(() => connect(port, '127.0.0.1'))
  },
  'remoteStore, served by the same thread': async (disk, { remoteStore, serveStore }) => {
    const server = createServer({ allowHalfOpen: true }, socket => serveStore(socket, disk)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return remoteStore(() => connect(server.address().port, '127.0.0.1'))
  }
}

/** A mirror beside its slower store. */
export const SLOW_STORES = {
  'a slow store': slow,
  'mirror of it and a directory': (disk, stores) => stores.mirror([slow(disk, stores), beside(disk, stores)])
}

function slow(disk, { rateLimited }) {
  return rateLimited(disk, '60 MB/s')
}

/** A backup, or a restore of it, with each option. */
export const OPTIONS = {
  signKey: () => ({ signKey: generateKeyPairSync('ed25519').privateKey }),
  'encrypt: age': async () => {
    const cipher = await ageCipher()
    return { encrypt: cipher, codecs: [cipher] }
  }
}

/** Made for this bench. */
const IDENTITY = 'AGE-SECRET-KEY-1K7U8UHW729TQH5M6J5S672F7UMYRWX89TY26CAXD5G2JCTPYR3MS6C69EK'
const RECIPIENT = 'age1at2k50qtfyed4t3mhegs2y4mgc273t3gg7ds9ay0805a4mha6dasfad5yv'

async function ageCipher() {
  const { age } = await import('../../dist/src/age/index.js')
  return age({ recipients: [RECIPIENT], identities: [IDENTITY] })
}

let server

/** A process of its own that serves a directory. */
function serverApart(directory) {
  server = fork(fileURLToPath(new URL('server.mjs', import.meta.url)), [directory])
  return server
}

/** Milliseconds of the processor that the server has taken by now. */
export async function servedMs() {
  if (server === undefined) return 0
  server.send('how long?')
  return (await once(server, 'message'))[0]
}

export function storeIn(work, { directoryStore }) {
  return directoryStore(join(work, 'store'))
}
