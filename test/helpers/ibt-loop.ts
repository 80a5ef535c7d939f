// A process that runs commands of `ibt` one after the other: see `warm-ibt.ts`. Requests come on descriptor 3, replies go
// to 4, a line of JSON each; what commands print goes to 1 and 2.
import { readSync, writeSync } from 'node:fs'
import type { Reply, Request } from './warm-ibt.js'

const REQUESTS = 3
const REPLIES = 4

const { main } = await import(new URL('../../src/ibt/main.js', import.meta.url).href)
const exit = process.exit
/** Nothing is left to do: an end now is the end of a command, and not of a process in the middle of something. */
let isDrained = false
let code: number | undefined

process.exit = given => {
  code = Number(given ?? process.exitCode)
  if (isDrained) return undefined as never
  reply(true)
  return exit(0)
}

function reply(isLast: boolean): void {
  writeSync(REPLIES, `${JSON.stringify({ status: code ?? null, isLast } satisfies Reply)}\n`)
}

function next(): void {
  const request = readRequest()
  if (request === undefined) exit(0)
  code = undefined
  isDrained = false
  for (const name of Object.keys(process.env)) if (!(name in request!.env)) delete process.env[name]
  Object.assign(process.env, request!.env)
  process.chdir(request!.cwd)
  process.once('beforeExit', () => (isDrained = true))
  void main(request!.args, () => {})
  process.once('beforeExit', end)
  // A command that awaits nothing of the system would leave the loop as empty as it was.
  setImmediate(() => {})
}

function end(): void {
  for (const event of ['beforeExit', 'uncaughtException']) process.removeAllListeners(event)
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error')
  // A directory that is somebody's own cannot be unmounted.
  process.chdir('/')
  reply(false)
  next()
}

/** Waits without an event loop: it would never drain. */
function readRequest(): Request | undefined {
  const chunks: Buffer[] = []
  const chunk = Buffer.alloc(65_536)
  for (;;) {
    const length = readSync(REQUESTS, chunk)
    if (length === 0) return undefined
    chunks.push(Buffer.from(chunk.subarray(0, length)))
    if (chunk[length - 1] === 10) return JSON.parse(Buffer.concat(chunks).toString())
  }
}

next()
