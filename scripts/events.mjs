// Makes schema/ibt-events-1.json and the tables of docs/json.md of the types in src/cli/events.ts. `--check`: changes
// nothing, and exits with 1 if one of them is not as it would be made.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const SOURCE = join(root, 'src/cli/events.ts')
const SCHEMA = join(root, 'schema/ibt-events-1.json')
const PAGE = join(root, 'docs/json.md')
const MARK = '<!-- What follows is made of src/cli/events.ts by scripts/events.mjs. -->\n'
/** As src/cli/json.ts has them. */
const PATH_FIELDS = new Set(
  /PATH_FIELDS = new Set\(\[([^\]]*)\]/
    .exec(readFileSync(join(root, 'src/cli/json.ts'), 'utf8'))[1]
    .split(',')
    .map(name => name.trim().slice(1, -1))
)

const config = ts.parseJsonConfigFileContent(
  ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile).config,
  ts.sys,
  root
)
const program = ts.createProgram([SOURCE], { ...config.options, noEmit: true, incremental: false, composite: false })
const checker = program.getTypeChecker()
const definitions = {}

const ERROR = {
  description: 'What was wrong.',
  type: 'object',
  properties: {
    code: { type: 'string', description: 'A code of docs/errors.md.' },
    path: { type: 'string', description: 'The entry or artifact that it is about.' },
    pathBase64: { type: 'string', description: 'Bytes of `path`, if they are not UTF-8.' },
    message: { type: 'string', description: 'Text for people; may change at any time.' },
    cause: { type: 'string', description: "The system's code, such as ENOSPC." }
  },
  required: ['message']
}

/** The text of a doc comment, in one line. */
function textOf(symbol) {
  return ts.displayPartsToString(symbol?.getDocumentationComment(checker)).replace(/\s+/g, ' ').trim()
}

function schemaOf(type) {
  const { flags } = type
  if (type.isUnion()) return unionOf(type.types)
  if (flags & ts.TypeFlags.StringLiteral || flags & ts.TypeFlags.NumberLiteral) return { const: type.value }
  if (flags & ts.TypeFlags.BooleanLiteral) return { const: checker.typeToString(type) === 'true' }
  if (flags & ts.TypeFlags.Null) return { type: 'null' }
  if (flags & ts.TypeFlags.StringLike) return { type: 'string' }
  if (flags & ts.TypeFlags.NumberLike) return { type: 'number' }
  if (flags & ts.TypeFlags.BigIntLike) return { type: 'string', pattern: '^-?\\d+$' }
  if (flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return {}
  if (checker.isArrayType(type)) return { type: 'array', items: schemaOf(checker.getTypeArguments(type)[0]) }
  const name = type.aliasSymbol?.name ?? type.symbol?.name
  if (name === 'Uint8Array') return { type: 'string', contentEncoding: 'base64' }
  if (name === 'ReadonlyMap' || name === 'Map') {
    return { type: 'object', additionalProperties: schemaOf(checker.getTypeArguments(type)[1]) }
  }
  if (name === 'BackupError' || name === 'Error') {
    definitions.Error ??= ERROR
    return { $ref: '#/$defs/Error' }
  }
  const isNamed = type.symbol?.flags & ts.SymbolFlags.Interface
  return isNamed ? refTo(type, name) : objectOf(type)
}

function refTo(type, name) {
  if (definitions[name] === undefined) {
    definitions[name] = {}
    const description = textOf(type.symbol)
    definitions[name] = { ...(description && { description }), ...objectOf(type) }
  }
  return { $ref: `#/$defs/${name}` }
}

function unionOf(types) {
  const members = types.filter(({ flags }) => !(flags & ts.TypeFlags.Undefined)).map(schemaOf)
  const unique = [...new Map(members.map(member => [JSON.stringify(member), member])).values()]
  const literals = unique.filter(member => 'const' in member).map(member => member.const)
  if (unique.length === 2 && literals.includes(true) && literals.includes(false)) return { type: 'boolean' }
  if (literals.length === unique.length && unique.length > 1) return { enum: literals }
  return unique.length === 1 ? unique[0] : { anyOf: unique }
}

function objectOf(type) {
  const properties = {}
  const required = []
  for (const symbol of checker.getPropertiesOfType(type)) {
    if (symbol.name.startsWith('__@')) continue
    const own = checker.getTypeOfSymbol(symbol)
    const members = own.isUnion() ? own.types : [own]
    const isMissing =
      symbol.flags & ts.SymbolFlags.Optional || members.some(({ flags }) => flags & ts.TypeFlags.Undefined)
    const present = members.filter(({ flags }) => !(flags & ts.TypeFlags.Undefined))
    if (present.length === 0 || present.every(member => member.getCallSignatures().length > 0)) continue
    const description = textOf(symbol)
    const schema = schemaOf(own)
    properties[symbol.name] = description === '' || '$ref' in schema ? schema : { description, ...schema }
    if (!isMissing) required.push(symbol.name)
    if (PATH_FIELDS.has(symbol.name)) {
      properties[`${symbol.name}Base64`] = {
        description: `Bytes of \`${symbol.name}\`, if they are not UTF-8.`,
        type: 'string'
      }
    }
  }
  return { type: 'object', properties, required }
}

/** The types of the lines that a type allows. */
function linesOf(type) {
  if (type.flags & ts.TypeFlags.Never) return []
  return type.isUnion() ? type.types.map(schemaOf) : [schemaOf(type)]
}

const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(SOURCE)))
const typeOf = name => checker.getDeclaredTypeOfSymbol(exported.find(symbol => symbol.name === name))
const common = linesOf(typeOf('CommonLine'))
const commands = checker
  .getPropertiesOfType(typeOf('JsonLines'))
  .map(symbol => ({ name: symbol.name, lines: linesOf(checker.getTypeOfSymbol(symbol)) }))

const keyOf = name => `ibt ${name}`
const schema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  title: 'Lines that ibt writes with --json, version 1',
  description: 'Each line of stdout is one of these. Of one command: #/$defs/ibt COMMAND.',
  anyOf: commands.map(({ name }) => ({ $ref: `#/$defs/${keyOf(name)}` })),
  $defs: {
    ...Object.fromEntries(
      commands.map(({ name, lines }) => [keyOf(name), { anyOf: [...lines, { $ref: '#/$defs/every command' }] }])
    ),
    'every command': { anyOf: common },
    ...definitions
  }
}

const anchor = name => `#${name.toLowerCase()}`
const cell = text => text.replaceAll('|', '\\|')

/** A schema in a few words. */
function wordsOf(schema) {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice('#/$defs/'.length)
    return `[${name}](${anchor(name)})`
  }
  if ('const' in schema) return `\`${JSON.stringify(schema.const)}\``
  if (schema.enum !== undefined) return schema.enum.map(value => `\`${JSON.stringify(value)}\``).join(', ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(wordsOf).join(' or ')
  if (schema.pattern !== undefined) return 'integer as text'
  if (schema.contentEncoding !== undefined) return 'base64'
  if (schema.type === 'array') return `list of ${wordsOf(schema.items)}`
  if (schema.type === 'object' && schema.properties !== undefined) {
    return `{ ${Object.entries(schema.properties)
      .map(([name, field]) => `${name}${schema.required.includes(name) ? '' : '?'}: ${wordsOf(field)}`)
      .join(', ')} }`
  }
  if (schema.type === 'object') return `object of ${wordsOf(schema.additionalProperties)}`
  return schema.type ?? 'anything'
}

function tableOf({ properties, required }) {
  const rows = Object.entries(properties).map(([name, field]) => {
    const known = field.$ref === undefined ? field.description : definitions[field.$ref.slice(8)]?.description
    return `| \`${name}\`${required.includes(name) ? '' : ' ?'} | ${cell(wordsOf(field))} | ${cell(known ?? '')} |`
  })
  return ['| field | value | what |', '|---|---|---|', ...rows].join('\n')
}

function sectionOf(lines) {
  if (lines.length === 0) return 'No lines of its own: what it writes is not JSON.'
  return lines
    .map(line => {
      if (line.$ref !== undefined) return `${wordsOf(line)}: ${definitions[line.$ref.slice(8)].description ?? ''}`
      const { event } = line.properties
      return `${event === undefined ? 'A line' : `Event ${wordsOf(event)}`}:\n\n${tableOf(line)}`
    })
    .join('\n\n')
}

/** Commands that write the same have one section. */
const sections = new Map()
for (const { name, lines } of commands) {
  const text = sectionOf(lines)
  sections.set(text, [...(sections.get(text) ?? []), keyOf(name)])
}

const page = [
  '## Every command\n',
  common.map(line => `- ${sectionOf([line])}`).join('\n'),
  ...[...sections].map(([text, names]) => `\n## ${names.join(', ')}\n\n${text}`),
  ...Object.keys(definitions)
    .sort()
    .map(name => `\n## ${name}\n\n${definitions[name].description ?? ''}\n\n${tableOf(definitions[name])}`)
].join('\n')

const head = readFileSync(PAGE, 'utf8').split(MARK)[0]
const files = [
  [SCHEMA, `${JSON.stringify(schema, null, 2)}\n`],
  [PAGE, `${head}${MARK}\n${page.replace(/\n{3,}/g, '\n\n')}\n`]
]
for (const [path, text] of files) {
  if (!process.argv.includes('--check')) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  } else if (readFileSync(path, 'utf8') !== text) {
    console.error(`${path} is not what node scripts/events.mjs makes`)
    process.exitCode = 1
  }
}
