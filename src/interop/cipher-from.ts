import type { ChildProcess } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { BackupError } from '../errors.js'
import type { Cipher, SealContext, Source } from '../types.js'
import { Feed } from './feed.js'
import { type ForeignTransform, isForeignTransform, toStage } from './foreign.js'

/** Bytes of what a program says on stderr that its error repeats. */
const SAID_BYTES = 2048

/** A running program that is written to and read from, as `spawn` gives it. */
export interface CipherProcess extends Pick<ChildProcess, 'kill' | 'once'> {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr?: Readable | null | undefined
}

/** What bytes go through: a stream of any kind, or a program. */
export type CipherStep = ForeignTransform | CipherProcess

/** Options of `cipherFrom`. */
export interface CipherFromOptions {
  /** What the names of artifacts end in, such as `.gpg`. */
  readonly suffix: string
  /** Default: the suffix without its dot. */
  readonly name?: string | undefined
  /** Makes what encrypts one artifact: a new stream, or a new process. */
  readonly seal: (context: SealContext) => CipherStep
  /** Makes what decrypts one artifact. Without it, nothing can be read here. */
  readonly open?: ((name: string) => CipherStep) | undefined
}

/**
 * A cipher of any transform, or of a program such as `gpg`. It has no ranges: whoever reads a part of an artifact decrypts
 * it from its start. A program has to end with 0; what else it says on stderr is in the error.
 *
 * @throws TypeError at the call without a function to encrypt with.
 */
export function cipherFrom(options: CipherFromOptions): Cipher {
  const { suffix, name: own = suffix.slice(1), seal, open } = options
  if (typeof seal !== 'function') throw new TypeError('cipherFrom: seal is a function that makes a stream or a process')
  return {
    name: own,
    suffix,
    opens: open === undefined ? 'none' : 'all',
    seal: (source, context) => through(() => seal(context), source, context.name ?? own, 'encrypt', context.signal),
    open(source, name) {
      if (open !== undefined) return through(() => open(name), source, name, 'decrypt', undefined)
      const message = `${name} is encrypted with ${own}, and nothing to decrypt it is given`
      throw new BackupError('IBT_KEY_MISSING', message, { path: name })
    }
  }
}

type Verb = 'encrypt' | 'decrypt'

async function* through(
  make: () => CipherStep,
  source: Source<Uint8Array>,
  name: string,
  verb: Verb,
  signal: AbortSignal | undefined
): AsyncGenerator<Uint8Array, void, undefined> {
  const step = make()
  if (!isForeignTransform(step)) yield* throughProcess(step, source, name, verb)
  else yield* toStage(step)(source, { signal }) as AsyncGenerator<Uint8Array, void, undefined>
}

async function* throughProcess(
  child: CipherProcess,
  source: Source<Uint8Array>,
  name: string,
  verb: Verb
): AsyncGenerator<Uint8Array, void, undefined> {
  const ended = endOf(child)
  const said = tailOf(child.stderr)
  let failed: { readonly error: unknown } | undefined
  async function* watched() {
    try {
      yield* source
    } catch (error) {
      failed = { error }
      // Else it would take the end of its input for that of the artifact.
      child.kill('SIGKILL')
      throw error
    }
  }
  const feed = new Feed(watched(), child.stdin)
  const fed = feed.run()
  fed.catch(() => {})
  let isDone = false
  try {
    const broken = yield* outputOf(child.stdout)
    const { error, code } = await ended
    const unfed = await fed.then(
      () => undefined,
      reason => ({ reason })
    )
    isDone = true
    if (failed !== undefined) throw failed.error
    if (error !== undefined || code !== 0) throw ofProgram(name, verb, { error, code, said: said() })
    if (unfed !== undefined) throw unfed.reason
    if (broken !== undefined) throw broken
  } finally {
    if (!isDone) child.kill('SIGKILL')
    feed.fail(new Error('The program is not wanted any more'))
    await fed.catch(() => {})
    await ended
  }
}

/** Gives what a program writes; returns what broke its output, which how it ended explains better. */
async function* outputOf(stdout: Readable): AsyncGenerator<Uint8Array, unknown, undefined> {
  try {
    yield* stdout as AsyncIterable<Uint8Array>
    return undefined
  } catch (error) {
    return error
  }
}

interface End {
  /** It could not be started. */
  readonly error?: Error | undefined
  readonly code: number | null
}

function endOf(child: CipherProcess): Promise<End> {
  return new Promise(resolve => {
    child.once('error', (error: Error) => resolve({ error, code: null }))
    child.once('close', (code: number | null) => resolve({ code }))
  })
}

/** The last bytes of what a program says, as text. */
function tailOf(stderr: Readable | null | undefined): () => string {
  let tail = Buffer.alloc(0)
  stderr?.on('data', (bytes: Buffer) => {
    tail = Buffer.concat([tail, bytes]).subarray(-SAID_BYTES)
  })
  stderr?.on('error', () => {})
  return () => tail.toString('utf8').trim()
}

function ofProgram(name: string, verb: Verb, { error, code, said }: End & { readonly said: string }): BackupError {
  const how = error === undefined ? `the program ended with ${code ?? 'a signal'}` : 'the program could not be started'
  const message = `Cannot ${verb} ${name}: ${how}${said === '' ? '' : `: ${said}`}`
  const isDamage = verb === 'decrypt' && error === undefined
  const errorCode = isDamage ? 'IBT_ARCHIVE_CORRUPT' : verb === 'decrypt' ? 'IBT_READ_FAILED' : 'IBT_WRITE_FAILED'
  return new BackupError(errorCode, message, { path: name, cause: error })
}
