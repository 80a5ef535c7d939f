// Makes man/ibt.1 of what --help says: the commands as they were compiled, and the topics.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const compiled = name => import(join(root, 'dist/src/cli', name))
const [{ buildProgram }, { addCommonOptions }, { rdiffHelp }, { TOPICS }] = await Promise.all(
  ['program.js', 'common-options.js', 'rdiff.js', 'topics.js'].map(compiled)
)
const { Command } = await import('commander')
const { version, description } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
/** Day of the version. */
const DATE = '2026-11-27'

const roff = text =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1')
const bold = text => `\\fB${roff(text)}\\fR`
const paragraph = text => `.PP\n${roff(text.trim())}`
const section = title => `.SH "${roff(title.toUpperCase())}"`

/** Lines as they are, without empty ones at either end. */
function verbatim(text) {
  return `.PP\n.nf\n${roff(text.replace(/^\n+|\s+$/g, ''))}\n.fi`
}

const describe = ({ flags, description }) => `.TP\n${bold(flags)}\n${roff(description)}`
const common = addCommonOptions(new Command()).options.map(describe)

/** Options of its own; those that most commands have are described once. */
function optionsOf({ options }) {
  const own = options.filter(option => !common.includes(describe(option)))
  const headings = new Set([undefined, ...own.map(({ helpGroupHeading }) => helpGroupHeading)])
  const described = [...headings].flatMap(heading => [
    ...(heading === undefined ? [] : [paragraph(heading)]),
    ...own.filter(({ helpGroupHeading }) => helpGroupHeading === heading).map(describe)
  ])
  return own.length === options.length ? described : [...described, paragraph('It also takes the common options.')]
}

/** What the help says below the options. */
function textBehind(command) {
  let text = ''
  command.emit('afterHelp', { error: false, command, write: part => (text += part) })
  return text
}

function commandSection(command, parents = ['ibt']) {
  const name = [...parents, command.name()].join(' ')
  const usage = command.registeredArguments.map(argument => {
    const inner = argument.name() + (argument.variadic ? '...' : '')
    return argument.required ? `<${inner}>` : `[${inner}]`
  })
  const help = rdiffHelp(command.name())
  const behind = textBehind(command)
  return [
    `.SS "${roff([name, ...usage].join(' '))}"`,
    ...(help === undefined ? [paragraph(command.description()), ...optionsOf(command)] : [verbatim(help)]),
    ...(behind.trim() === '' ? [] : [verbatim(behind)]),
    ...command.commands.flatMap(inner => commandSection(inner, [...parents, command.name()]))
  ]
}

const program = buildProgram(new AbortController().signal, () => {})
const visible = program.commands.filter(command => !command._hidden)
const text = [
  `.\\" Made of the help by scripts/man.mjs`,
  `.TH IBT 1 "${DATE}" "incremental-backups-tools ${version}" "User Commands"`,
  section('Name'),
  `ibt \\- ${roff('incremental backups as plain archives')}`,
  section('Synopsis'),
  `${bold('ibt')} \\fICOMMAND\\fR [\\fIOPTIONS\\fR] \\fIARGUMENTS\\fR`,
  section('Description'),
  `${roff(description)}.`,
  verbatim(textBehind(program).slice(textBehind(program).indexOf('Examples:'))),
  section('Common options'),
  ...common,
  section('Commands'),
  ...visible.flatMap(command => commandSection(command)),
  ...Object.entries(TOPICS).flatMap(([name, { summary, text }]) =>
    text === undefined ? [] : [section(name.replaceAll('-', ' ')), `${roff(summary)}:`, verbatim(text)]
  ),
  section('Errors'),
  `${roff('ibt help errors lists the codes of errors, and ibt help CODE explains one.')}`,
  section('See also'),
  'tar(1), zstd(1), rdiff(1), jq(1)'
].join('\n')

mkdirSync(join(root, 'man'), { recursive: true })
// A paragraph begins behind a heading anyway.
writeFileSync(join(root, 'man/ibt.1'), `${text.replace(/^(\.S[SH] .*\n)\.PP\n/gm, '$1')}\n`)
