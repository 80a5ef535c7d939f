import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { buildProgram } from '../../src/cli/program.js'
import { BIN, Desk } from '../helpers/desk.js'
import { oracle } from '../helpers/oracle.js'

const ROOT = dirname(dirname(BIN))

/** The published schema, but for what is not described: here that is an error. */
function strictSchema(): { readonly $defs: Readonly<Record<string, object>> } {
  const text = readFileSync(join(ROOT, 'schema/ibt-events-1.json'), 'utf8')
  return JSON.parse(text, (_, value) =>
    value?.type === 'object' && value.properties !== undefined ? { ...value, additionalProperties: false } : value
  )
}

const schema = strictSchema()
const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, validateFormats: false })
ajv.addSchema(schema, 'events')

/** Which commands have been held to the schema, and which events of theirs. */
const seen = new Set<string>()

function check(command: string, line: string): void {
  const validate = ajv.getSchema(`events#/$defs/${encodeURIComponent(`ibt ${command}`)}`)
  assert.ok(validate, `The schema has no ibt ${command}`)
  const isValid = validate(JSON.parse(line))
  assert.ok(isValid, `ibt ${command}: ${line}\n${ajv.errorsText(validate.errors)}`)
  seen.add(`event ${JSON.parse(line).event}`)
}

test('the schema and the page are as the types of the events say', { timeout: 600_000 }, () => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/events.mjs'), '--check'], {
    encoding: 'utf8'
  })
  assert.equal(status, 0, stderr)
})

test('every line that a command writes is one of the schema', oracle('openssl'), t => {
  const desk = new Desk(t)
  const run = (command: string, args: readonly string[] = [], { status = 0, input = '' as string | Buffer } = {}) => {
    const all = [...command.split(' '), ...args, '--json']
    const isData = ['export', 'cat', 'receive'].includes(command) || args.includes('-') || args.includes('--out')
    const ended = isData
      ? spawnSync(process.execPath, [BIN, ...all], { cwd: desk.path, env: desk.env, input })
      : desk.ibt(...all)
    const [stdout, stderr] = [String(ended.stdout), String(ended.stderr)]
    assert.equal(ended.status, status, `${all.join(' ')}\n${stdout.slice(-2000)}${stderr}`)
    const lines = (isData && command !== 'import' ? stderr : stdout).split('\n').filter(line => line.startsWith('{'))
    seen.add(command)
    for (const line of lines) check(command, line)
    return { lines, stdout: ended.stdout as Buffer }
  }
  mkdirSync(desk.at('src/sub'), { recursive: true })
  const file = desk.at('src/file.txt')
  writeFileSync(file, 'text\n'.repeat(10_000))
  writeFileSync(Buffer.from(`${desk.at('src')}/\xff`, 'latin1'), 'x')
  writeFileSync(desk.at('src/sub/empty'), '')

  run('full', ['src'])
  run('full', ['.', '--key', 'all'])
  appendFileSync(file, 'more\n')
  run('incremental', ['src'])
  rmSync(desk.at('src/sub/empty'))
  run('backup', ['src', '--max-chain', '5', '--max-restore-ratio', '9'])
  const bundle = run('backup', ['src', '--out', '-']).stdout
  run('backup', ['src', '--store', 'elsewhere', '--dry-run'])
  run('list')
  run('ls', ['src'])
  run('find', ['*.txt'])
  run('history', ['src', 'file.txt'])
  run('du', ['src'])
  run('diff', ['src'])
  run('cat', ['src', 'file.txt'])
  run('compare', ['src', 'src'])
  appendFileSync(file, 'again\n')
  run('compare', ['src', 'src'], { status: 6 })
  run('plan', ['src', 'src', '--max-restore-ratio', '2', '--max-chain', '1', '--merge'])
  run('plan restore', ['src'])
  run('stats', ['src'])
  run('why', ['src'])
  run('verify', ['src', '--read-data'])
  run('verify', ['src', '--sample', '50%'])
  run('drill', ['src', '--sample', '50%', '--into', 'drilled'])
  run('restore', ['src', 'out'])
  run('restore', ['src', 'out', '--overwrite', 'if-changed', '--delete'])
  run('restore', ['src', 'dry', '--dry-run'])
  run('restore', ['src', '-'])
  run('export', ['src', '--all'])
  run('import', ['-', '--store', 'imported'], { input: bundle })
  run('import', ['--discard', '--key', 'src', '--store', 'imported'])
  const tar = spawnSync('tar', ['-cf', '-', '-C', desk.at('src'), 'file.txt']).stdout
  run('import', ['-', '--tar', '--key', 'old', '--at', '2020-01-01'], { input: tar })
  run('copy', ['src', '--to', 'copied'])
  run('erase', ['src', 'file.txt', '--dry-run', '--store', 'copied'])
  run('erase', ['src', 'file.txt', '--store', 'copied'])
  run('send', ['src', '--key', 'sent', '--to-command', `'${process.execPath}' '${BIN}' receive --key sent`])
  run('receive', ['--key', 'sent'], { status: 1 })
  run('send', ['src', '--tree', '--to-command', `'${process.execPath}' '${BIN}' receive --into received --json`])
  run('serve', ['--tls-cert', 'none'], { status: 2 })
  mkdirSync(desk.at('validated'))
  run('validate-store', ['validated'])
  run('thaw', ['src'])
  run('merge', ['src'])
  run('lock', ['src', '--until', '1d', '--dry-run'])
  run('lock', ['src', '--until', '1d', '--store', 'copied'])
  run('extend', ['src', '--until', '2d', '--store', 'copied'])
  run('prune', ['src', '--keep-last', '1', '--dry-run'])
  run('prune', ['src', '--keep-last', '1'])
  run('undelete', ['src'])
  run('undelete', ['src', '--at', 'latest'])
  run('clean', ['src', '--grace', '0'])
  spawnSync('openssl', ['genpkey', '-algorithm', 'ed25519', '-out', desk.at('sign.pem')])
  run('sign', ['src', '--sign-key', 'sign.pem'])

  writeFileSync(
    desk.at('ibt.config.mjs'),
    `export default { sources: {
      src: { path: 'src', hooks: { before: ['true'], after: { shell: 'echo out; exit 2' } } },
      gone: { path: 'gone', hooks: { onFailure: ['true'] } }
    }, hooks: { after: () => { throw new Error('no') } }, retention: { keepLast: 1 } }`
  )
  run('backup', [], { status: 1 })
  run('prune', [], { status: 1 })
  run('verify', [], { status: 1 })

  // Damage: an error, a warning, a file that is lost, a state that cannot be read.
  const names = readdirSync(desk.at('store'))
    .filter(name => name.startsWith('src.'))
    .sort()
  for (const name of names.filter(name => /^src\.(full|created|updated)\./.test(name))) {
    writeFileSync(desk.at('store', name), readFileSync(desk.at('store', name)).fill(0, 0, 40))
  }
  run('verify', ['src', '--read-data', '--no-config'], { status: 4 })
  run('drill', ['src', '--no-config'], { status: 4 })
  run('restore', ['src', 'damaged', '--no-config'], { status: 4 })
  writeFileSync(desk.at('store', names.findLast(name => name.startsWith('src.state.'))!), 'x')
  for (const command of ['list', 'history', 'stats']) {
    run(
      command,
      [
        ...(command === 'list' ? [] : ['src']),
        ...(command === 'history' ? ['file.txt'] : []),
        '--no-config',
        '--no-cache'
      ],
      { status: 4 }
    )
  }
  run('ls', ['nobody'], { status: 1 })
  run('catalog', ['nobody'], { status: 1 })

  for (const command of buildProgram(new AbortController().signal, () => {}).commands) {
    if (!command.options.some(({ long }) => long === '--json')) continue
    assert.ok(seen.has(command.name()), `ibt ${command.name()} has --json: hold it to the schema here`)
  }
  for (const event of ['progress', 'report', 'failed', 'error', 'lost', 'source', 'run', 'plan', 'warning']) {
    assert.ok(seen.has(`event ${event}`), event)
  }
})
