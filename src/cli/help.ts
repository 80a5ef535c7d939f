import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { packageRoot } from '../native/load-addon.js'
import { UsageError } from './exit.js'
import { rdiffHelp } from './rdiff.js'
import { TOPICS } from './topics.js'

/** Columns of a help page, at most. */
export const HELP_COLUMNS = 80

const ERROR_PAGE = new URL('docs/errors.md', packageRoot)

/** Prints what `ibt help TOPIC` asks for: a command, a page, or an error code. @throws UsageError for none of them */
export function printHelp(program: Command, topic: string | undefined): void {
  if (topic === undefined) program.outputHelp()
  else {
    const command = program.commands.find(candidate => candidate.name() === topic)
    const text = rdiffHelp(topic) ?? pageOf(topic)
    if (text !== undefined) process.stdout.write(`${text}\n`)
    else if (command !== undefined) command.outputHelp()
    else throw new UsageError(`There is no help on '${topic}': ibt help lists the commands and topics`)
  }
}

/** The topics that are not commands, for the list of commands. */
export function topicList(): string {
  const lines = Object.entries(TOPICS).map(([name, { summary }]) => `  ${name.padEnd(13)} ${summary}`)
  return `\nTopics (ibt help TOPIC):\n${lines.join('\n')}\n`
}

function pageOf(topic: string): string | undefined {
  if (topic === 'errors') return [...errorSections().keys()].join('\n')
  const section = errorSections().get(topic.toUpperCase())
  return TOPICS[topic]?.text ?? section?.split('\n').map(wrap).join('\n')
}

/** What docs/errors.md says, by code. */
function errorSections(): ReadonlyMap<string, string> {
  const sections = readFileSync(ERROR_PAGE, 'utf8').split(/^## /m).slice(1)
  const codes = sections.filter(section => section.startsWith('IBT_'))
  return new Map(codes.map(section => [section.slice(0, section.indexOf('\n')), section.trim().replaceAll('`', '')]))
}

/** Breaks a line at blanks. */
function wrap(line: string): string {
  const lines: string[] = []
  for (const word of line.split(' ')) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > HELP_COLUMNS) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines.join('\n')
}
