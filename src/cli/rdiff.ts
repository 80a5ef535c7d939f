import { type FileHandle, open, stat } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { BackupError } from '../errors.js'
// Not all of `native.js`: to load what is not needed takes longer than to sign many a file.
import { setJobs } from '../native/job.js'
import { deltaFile, patchFile, signatureFile } from '../native/rdiff-files.js'
import type { SignatureOptions, StrongSum, WeakSum } from '../native/signature.js'
import { writeWhole } from '../native/whole-file.js'
import { encodePath, printPath } from '../path.js'
import { Exit, UsageError } from './exit.js'

/** What `setJobs` takes. */
const JOBS_MAX = 256

const USAGE = {
  signature: `Usage: ibt signature [options] BASIS SIGNATURE

Writes the librsync signature of BASIS, as rdiff does.

  --block-len N         bytes of a block (default: by the size of BASIS)
  --strong-len N        bytes of a strong sum (default: all; -1: the least)
  --strong blake2|md4   strong sum (default: blake2)
  --weak rabinkarp|rollsum   weak sum (default: rabinkarp)
  --jobs N              threads (default: one a core, at most 8)
  --force               replace SIGNATURE
  --help

Example: ssh server cat big.img | ibt signature - big.sig`,
  delta: `Usage: ibt delta [options] SIGNATURE NEW DELTA

Writes the delta that makes NEW of the file that SIGNATURE was made of.

  --jobs N              threads (default: one a core, at most 8)
  --force               replace DELTA
  --help

Example: ibt delta big.sig big-new.img - | ssh server 'cat > big.delta'`,
  patch: `Usage: ibt patch [options] BASIS DELTA OUT

Writes what DELTA makes of BASIS. BASIS is a file that can be read at any place.

  --jobs N              threads (default: one a core, at most 8)
  --force               replace OUT
  --help

Example: ibt patch big.img big.delta big-new.img`,
  compose: `Usage: ibt compose [options] DELTA… OUT

Writes one delta that makes what the DELTAs make one after the other, without
any of the contents. The DELTAs are files that can be read at any place.

  --jobs N              threads (default: one a core, at most 8)
  --force               replace OUT
  --help

Example: ibt compose mon.delta tue.delta wed.delta mon-to-wed.delta`
}

const COMMON = `
'-' is stdin or stdout. The output appears whole or not at all.
With --force, what is there is replaced when the output is on disk.
Exit codes: 0 done, 1 failed, 2 usage, 4 damaged input, 130 cancelled.
`

type Name = keyof typeof USAGE

/** The help page of one of the four commands; undefined for another name. */
export function rdiffHelp(name: string): string | undefined {
  return Object.hasOwn(USAGE, name) ? `${USAGE[name as Name]}\n${COMMON.trimEnd()}` : undefined
}

/** `ibt signature`, `ibt delta`, `ibt patch`, `ibt compose`. Memory: bounded by buffers, a loaded signature, composed commands. */
export async function runRdiff([name, ...rest]: readonly string[], signal: AbortSignal): Promise<number> {
  const command = name as Name
  const { values, positionals } = parse(command, rest)
  if (values.help) {
    process.stdout.write(`${rdiffHelp(command)}\n`)
    return Exit.done
  }
  checkCount(command, positionals.length)
  const output = positionals.at(-1)!
  const inputs = positionals.slice(0, -1)
  if (command === 'patch' && inputs[0] === '-')
    throw new UsageError('The basis of a patch is read at random offsets: give a file')
  const jobs = parseNumber('--jobs', values.jobs, 1, JOBS_MAX)
  if (jobs !== undefined) setJobs(jobs)
  if (command === 'compose') return compose(inputs, output, values.force ?? false, signal)
  if (inputs.filter(path => path === '-').length > 1) throw new UsageError('Only one input can be stdin')
  const options = signatureOptions(values)
  await withInputs(inputs, fds =>
    withOutput(output, values.force ?? false, async fd => {
      if (command === 'signature') await signatureFile(fds[0]!, fd, options, signal)
      else if (command === 'delta') await deltaFile(fds[0]!, fds[1]!, fd, signal)
      else await patchFile(fds[0]!, fds[1]!, fd, signal)
    })
  )
  return Exit.done
}

function checkCount(command: Name, count: number): void {
  const wanted = { signature: 2, delta: 3, patch: 3, compose: 2 }[command]
  if (count === wanted || (command === 'compose' && count > wanted)) return
  const least = command === 'compose' ? 'at least ' : ''
  throw new UsageError(`ibt ${command} takes ${least}${wanted} files: see ibt ${command} --help`)
}

async function compose(deltas: readonly string[], output: string, force: boolean, signal: AbortSignal) {
  if (deltas.includes('-')) throw new UsageError('Deltas are read at random offsets: give files')
  const { composeDeltas } = await import('../native/compose.js')
  await withOutput(output, force, fd => composeDeltas(deltas, fd, signal))
  return Exit.done
}

function parse(command: Name, args: readonly string[]) {
  const forSignature = {
    'block-len': { type: 'string' },
    'strong-len': { type: 'string' },
    strong: { type: 'string' },
    weak: { type: 'string' }
  } as const
  const common = {
    help: { type: 'boolean', short: 'h' },
    force: { type: 'boolean' },
    jobs: { type: 'string' }
  } as const
  const options = { ...common, ...forSignature } as const
  try {
    const parsed = parseArgs({ args: joinNegative(args), options, allowPositionals: true })
    const strange = command === 'signature' ? {} : forSignature
    const unknown = Object.keys(parsed.values).find(option => option in strange)
    if (unknown !== undefined) throw new Error(`Unknown option '--${unknown}'`)
    return parsed
  } catch (error) {
    throw new UsageError(`${(error as Error).message.split('\n')[0]}: see ibt ${command} --help`)
  }
}

/** `--strong-len -1` is a value, not another option. */
function joinNegative(args: readonly string[]): string[] {
  const joined: string[] = []
  for (const arg of args) {
    if (joined.at(-1) === '--strong-len' && /^-\d+$/.test(arg)) joined.push(`${joined.pop()}=${arg}`)
    else joined.push(arg)
  }
  return joined
}

function signatureOptions(values: ReturnType<typeof parse>['values']): SignatureOptions {
  const { strong = 'blake2', weak = 'rabinkarp' } = values
  if (!['blake2', 'md4'].includes(strong)) throw new UsageError(`'${strong}' is not a strong sum: give blake2 or md4`)
  if (!['rabinkarp', 'rollsum'].includes(weak))
    throw new UsageError(`'${weak}' is not a weak sum: give rabinkarp or rollsum`)
  return {
    blockLen: parseNumber('--block-len', values['block-len'], 1),
    strongLen: parseNumber('--strong-len', values['strong-len'], -1),
    strong: strong as StrongSum,
    weak: weak as WeakSum
  }
}

function parseNumber(option: string, text: string | undefined, min: number, max = 2 ** 31 - 1): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text !== '' && Number.isInteger(value) && value >= min && value <= max) return value
  throw new UsageError(`${option} takes a whole number from ${min} to ${max}, not '${text}'`)
}

async function withInputs(paths: readonly string[], use: (fds: readonly number[]) => Promise<void>): Promise<void> {
  const files: FileHandle[] = []
  try {
    const fds: number[] = []
    for (const path of paths) {
      if (path === '-') fds.push(0)
      else {
        const file = await open(encodePath(path)).catch(cause => {
          throw new BackupError('IBT_READ_FAILED', `Cannot open ${printPath(path)}`, { path, cause })
        })
        files.push(file)
        fds.push(file.fd)
      }
    }
    await use(fds)
  } finally {
    for (const file of files) await file.close()
  }
}

async function withOutput(path: string, force: boolean, use: (fd: number) => Promise<unknown>): Promise<void> {
  if (path === '-') return void (await use(1))
  const existing = await stat(encodePath(path)).catch(() => undefined)
  if (existing !== undefined && !existing.isFile()) return withSpecial(path, use)
  if (existing !== undefined && !force) throw new UsageError(`${printPath(path)} exists: --force replaces it`)
  await writeWhole(path, use)
}

/** A device or a pipe is written as it is. */
async function withSpecial(path: string, use: (fd: number) => Promise<unknown>): Promise<void> {
  const file = await open(encodePath(path), 'w')
  try {
    await use(file.fd)
  } finally {
    await file.close()
  }
}
