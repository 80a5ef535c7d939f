import type { Option } from 'commander'
import type { LoadedConfig } from '../../config/config.js'
import type { PlaceOptions } from '../../places/options.js'
import { buildProgram } from '../program.js'
import { chooseStore } from '../store.js'
import { TOPICS } from '../topics.js'
import { SCRIPTS } from './scripts.js'
import { type Candidate, dates, keys, paths } from './stored.js'
import { readTyped, splitOption, type Typed } from './typed.js'

/** Nobody waits longer at a TAB, unless `IBT_COMPLETION_MS` says so. */
const ANSWER_MS = 900

const FILES = new Set(['config', 'report', 'resume', 'output', 'filesFrom', 'identity', 'passphraseFile', 'metrics'])
const DIRECTORIES = new Set(['store', 'cache', 'into', 'localState', 'to'])
const VALUES: Readonly<Record<string, readonly string[]>> = {
  compress: ['zstd', 'gzip', 'none'],
  overwrite: ['if-changed', 'always', 'never'],
  format: ['csv', 'ndjson'],
  compare: ['size', 'mtime', 'ctime', 'inode'],
  sort: ['spool'],
  out: ['-']
}

/** Prints what could stand at the cursor: one a line, with a description behind a tab. Errors are silent. */
export async function runComplete([shell, ...words]: readonly string[]): Promise<number> {
  const found: Candidate[] = []
  const signal = AbortSignal.timeout(answerMs())
  const late = new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  const typed = shell === 'bash' ? words.map(unquote) : words
  const search = new Completion(typed, signal, candidate => found.push(candidate)).run()
  await Promise.race([search.catch(() => {}), late])
  const lines = found.map(({ value, description = '' }) => `${value}\t${description}\n`.replace(/^(:.*)\t\n$/, '$1\n'))
  await new Promise<void>(resolve => process.stdout.write(lines.join(''), () => resolve()))
  // A store that does not answer would keep the process.
  process.exit(0)
}

function answerMs(): number {
  const wanted = Number(process.env.IBT_COMPLETION_MS)
  return Number.isSafeInteger(wanted) && wanted > 0 ? wanted : ANSWER_MS
}

/** A word as bash has it is a piece of the command line. */
function unquote(word: string): string {
  return word.replace(/^["']|["']$/g, '').replace(/\\(.)/g, '$1')
}

class Completion {
  readonly #typed: Typed
  #loaded: LoadedConfig | undefined

  constructor(
    words: readonly string[],
    readonly signal: AbortSignal,
    readonly onFound: (candidate: Candidate) => void
  ) {
    this.#typed = readTyped(
      buildProgram(signal, () => {}),
      words
    )
  }

  async run(): Promise<void> {
    const { command, current, option, given } = this.#typed
    if (option !== undefined) return this.#value(option, current, '')
    const [name, value] = splitOption(current)
    if (value !== undefined) {
      const found = command.options.find(({ long }) => long === name)
      return found && this.#value(found, value, `${name}=`)
    }
    if (current.startsWith('-')) {
      const flags = command.options.filter(({ hidden }) => !hidden)
      return this.#offer([...flags.map(({ long, description }) => ({ value: long!, description })), HELP])
    }
    if (given.length === 0 && command.commands.length > 0) {
      const commands = command.commands.map(one => ({
        value: one.name(),
        description: one.summary() || one.description()
      }))
      this.#offer(commands)
    }
    const expected = command.registeredArguments
    const argument = expected[given.length] ?? (expected.at(-1)?.variadic ? expected.at(-1) : undefined)
    if (argument !== undefined) await this.#argument(argument.name(), current)
  }

  async #argument(name: string, current: string): Promise<void> {
    const { command, given } = this.#typed
    if (name === 'key') return this.#offer(await keys(await this.#places()))
    if (name === 'dates') return this.#dates(current)
    if (name === 'path' || name === 'globs' || name === 'pattern') return this.#paths(given[0], current, '')
    if (name === 'topic') {
      const topics = Object.entries(TOPICS).map(([value, { summary }]) => ({ value, description: summary }))
      return this.#offer([
        ...topics,
        ...command.parent!.commands.map(one => ({ value: one.name(), description: one.summary() }))
      ])
    }
    if (name === 'shell') return this.#offer(Object.keys(SCRIPTS).map(value => ({ value })))
    if (name === 'sources') {
      await this.#load()
      this.#offer((this.#loaded?.sources ?? []).map(({ name, root }) => ({ value: name, description: root })))
    }
    if (['sources', 'source', 'dest', 'paths', 'store'].includes(name)) this.onFound({ value: ':dirs' })
    else this.onFound({ value: ':files' })
  }

  async #value(option: Option, current: string, prefix: string): Promise<void> {
    const name = option.attributeName()
    const values = VALUES[name]?.map(value => ({ value }))
    if (values !== undefined) return this.#offer(values, current, prefix)
    if (name === 'key') return this.#offer(await keys(await this.#places()), current, prefix)
    if (name === 'at' || name === 'from' || (name === 'to' && option.flags.includes('<date>'))) {
      return this.#dates(current, prefix)
    }
    if (name === 'path') return this.#paths(this.#typed.given[0], current, prefix)
    if (FILES.has(name)) this.onFound({ value: ':files' })
    else if (DIRECTORIES.has(name)) this.onFound({ value: ':dirs' })
  }

  async #dates(current: string, prefix = ''): Promise<void> {
    const { given, values } = this.#typed
    const key = given[0] ?? values.key
    if (key !== undefined) this.#offer(await dates(key, await this.#places(key)), current, prefix)
  }

  async #paths(key: string | undefined, current: string, prefix: string): Promise<void> {
    if (key === undefined) return
    const { at } = this.#typed.values
    const start = current.startsWith('./') ? './' : ''
    await paths(key, current.slice(start.length), { ...(await this.#places(key)), at }, ({ value }) =>
      this.onFound({ value: prefix + start + value })
    )
  }

  #offer(candidates: readonly Candidate[], current = this.#typed.current, prefix = ''): void {
    for (const { value, description } of candidates) {
      if (value.startsWith(current)) this.onFound({ value: prefix + value, description: description?.split('\n')[0] })
    }
  }

  async #load(): Promise<void> {
    const { config } = this.#typed.values
    const { findConfig } = await import('../../config/find-config.js')
    const file = config ?? findConfig(process.cwd())
    if (file === undefined) return
    const { loadConfig } = await import('../../config/load-config.js')
    this.#loaded = await loadConfig(file)
  }

  /** Where backups are, by what was typed, the environment and the config. */
  async #places(key?: string): Promise<PlaceOptions> {
    const { store, cache, opaqueNames } = this.#typed.values
    // What cannot be loaded is said by the command itself.
    if (store === undefined && !process.env.IBT_STORE) await this.#load().catch(() => {})
    const configured = this.#loaded?.sources.find(source => source.key === key) ?? this.#loaded
    const chosen = chooseStore({
      ...(store !== undefined && { store: [store] }),
      ...(opaqueNames !== undefined && { opaqueNames }),
      ...(configured && { configured })
    })
    const codecs = configured?.codecs
    return {
      store: chosen,
      cache: cache ?? (process.env.IBT_CACHE ? undefined : configured?.cache),
      codecs,
      signal: this.signal
    }
  }
}

const HELP: Candidate = { value: '--help', description: 'print help' }
