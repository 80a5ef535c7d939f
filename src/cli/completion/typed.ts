import type { Command, Option } from 'commander'

/** What was typed in front of the cursor, and what is expected there. */
export interface Typed {
  readonly command: Command
  /** The word at the cursor, as far as it is typed. */
  readonly current: string
  /** The option whose value is expected. */
  readonly option?: Option | undefined
  /** Arguments in front of the cursor. */
  readonly given: readonly string[]
  /** Values of options in front of the cursor, by attribute; of one that is repeated, the last. */
  readonly values: Readonly<Record<string, string>>
}

/** Reads a command line as far as it goes: what is wrong in it is passed over. */
export function readTyped(program: Command, words: readonly string[]): Typed {
  const current = words.at(-1) ?? ''
  let command = program
  let option: Option | undefined
  const given: string[] = []
  const values: Record<string, string> = {}
  for (const word of words.slice(0, -1)) {
    if (option !== undefined) {
      // bash makes a word of the sign in --at=DATE.
      if (word === '=') continue
      values[option.attributeName()] = word
      option = undefined
    } else if (word.startsWith('-') && word !== '-') {
      const [name, value] = splitOption(word)
      const found = command.options.find(({ long, short }) => long === name || short === name)
      if (!found?.required && !found?.optional) continue
      if (value === undefined) option = found
      else values[found.attributeName()] = value
    } else {
      const inner = given.length === 0 ? command.commands.find(candidate => candidate.name() === word) : undefined
      if (inner === undefined) given.push(word)
      else command = inner
    }
  }
  return { command, current: option !== undefined && current === '=' ? '' : current, option, given, values }
}

/** The name and the value of `--name=value`. */
export function splitOption(word: string): readonly [name: string, value: string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)]
}
