import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const LOOP = fileURLToPath(new URL('ibt-loop.js', import.meta.url))

export interface Request {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: NodeJS.ProcessEnv
}

export interface Reply {
  readonly status: number | null
  /** The process has ended in the middle of something, as `process.exit()` lets it. */
  readonly isLast: boolean
}

/** What a command has said and how it ended. */
export interface Said {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * A process that runs one command of `ibt` after the other, each when nothing of the one before is left to do. A command of
 * a few files takes 15 ms of a processor there, and ten times that where a process starts for it.
 */
class WarmIbt {
  readonly #requests: number
  readonly #replies: number
  readonly #outputs: readonly number[]
  isOver = false

  constructor() {
    const directory = mkdtempSync(join(tmpdir(), 'ibt-warm-'))
    const [requests, replies] = ['requests', 'replies'].map(name => openPipe(join(directory, name)))
    this.#outputs = ['stdout', 'stderr'].map(name => openSync(join(directory, name), 'a+'))
    rmSync(directory, { recursive: true })
    const stdio = ['ignore', ...this.#outputs, requests!.read, replies!.write] as const
    spawn(process.execPath, [LOOP], { stdio: [...stdio], cwd: '/' }).unref()
    for (const end of [requests!.read, replies!.write]) closeSync(end)
    this.#requests = requests!.write
    this.#replies = replies!.read
  }

  run(request: Request): Said {
    writeSync(this.#requests, `${JSON.stringify(request)}\n`)
    const reply = this.#reply()
    const [stdout, stderr] = this.#outputs.map(take) as [string, string]
    if (reply === undefined) throw new Error(`ibt ${request.args.join(' ')} ended without a word:\n${stdout}${stderr}`)
    if (reply.isLast) this.close()
    return { status: reply.status, stdout, stderr }
  }

  #reply(): Reply | undefined {
    const line = Buffer.alloc(1000)
    const length = readSync(this.#replies, line)
    return length === 0 ? undefined : JSON.parse(line.subarray(0, length).toString())
  }

  close(): void {
    if (this.isOver) return
    this.isOver = true
    for (const file of [this.#requests, this.#replies, ...this.#outputs]) closeSync(file)
  }
}

/** Both ends of a pipe, whose reader sees an end when nobody can write any more. */
function openPipe(path: string): { readonly read: number; readonly write: number } {
  execFileSync('mkfifo', [path])
  // To open one end alone waits for the other.
  const both = openSync(path, 'r+')
  const ends = { read: openSync(path, 'r'), write: openSync(path, 'w') }
  closeSync(both)
  return ends
}

/** What a file has, and empties it. */
function take(file: number): string {
  const bytes = Buffer.alloc(fstatSync(file).size)
  readSync(file, bytes, 0, bytes.length, 0)
  ftruncateSync(file)
  return bytes.toString()
}

let warm: WarmIbt | undefined
/** By path, the config modules that the process may have loaded: it loads none a second time. */
const configs = new Map<string, string>()

function isConfigStale(directory: string): boolean {
  const paths = readdirSync(directory)
    .filter(name => name.startsWith('ibt.config.'))
    .map(name => join(directory, name))
  const texts = paths.map(path => [path, readFileSync(path, 'utf8')] as const)
  const isStale = texts.some(([path, text]) => (configs.get(path) ?? text) !== text)
  for (const [path, text] of texts) configs.set(path, text)
  return isStale
}

/** Runs a command in the one warm process of this test file. */
export function runIbt(args: readonly string[], { cwd, env }: Partial<Pick<Request, 'cwd' | 'env'>> = {}): Said {
  const directory = cwd ?? process.cwd()
  if (isConfigStale(directory)) warm?.close()
  if (warm === undefined || warm.isOver) warm = new WarmIbt()
  return warm.run({ args, cwd: directory, env: env ?? process.env })
}
